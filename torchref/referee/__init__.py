"""Which gradient is right, in any PyTorch model: a recorded run, replayed with backwards derived by hand."""

from torchref.referee.entries import entry
from torchref.referee.errors import RefereeError
from torchref.referee.judging import judge
from torchref.referee.module import Replay
from torchref.referee.report import Judgement, Report

__all__ = ["Judgement", "RefereeError", "Replay", "Report", "entry", "judge"]
