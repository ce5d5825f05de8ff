"""Several ranks without torchrun: forked processes with the variables that it sets, which need not import torch."""

import contextlib
import io
import os
import socket
import warnings
from multiprocessing import get_context

import torch

from torchref.cli.command_line import main


def on_ranks(world, words, before=lambda rank: None):
    """`torchref WORDS` on each of the ranks: (status, what it printed, what it said on stderr), by rank.

    `before(rank)` is called in the rank's process.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = get_context("fork")
    pipes, processes = [], []
    for rank in range(world):
        read, write = context.Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # forking beside threads
            process = context.Process(target=be, args=(rank, world, port, words, before, write), daemon=True)
            process.start()
        write.close()
        processes.append(process)
        pipes.append(read)
    found = []
    for pipe, process in zip(pipes, processes, strict=True):
        with contextlib.suppress(EOFError):  # it has died
            found.append(pipe.recv())
        process.join()
    return found


def be(rank, world, port, words, before, pipe):
    torch.set_num_threads(1)  # the threads of the parent's pool were not forked
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before(rank)
        status = main(words)
    pipe.send((status, out.getvalue(), err.getvalue()))
