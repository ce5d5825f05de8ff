"""Several ranks without torchrun: forked processes with the variables that it sets, which need not import torch."""

import contextlib
import io
import os
import socket
import warnings
from multiprocessing import get_context

import torch

from torchref.cli.command_line import main


def in_processes(world, function):
    """What `function(rank)` returns in each of so many processes, by rank; one that has died has no answer."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = get_context("fork")
    pipes, processes = [], []
    for rank in range(world):
        read, write = context.Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # forking beside threads
            process = context.Process(target=be, args=(rank, world, port, function, write), daemon=True)
            process.start()
        write.close()
        processes.append(process)
        pipes.append(read)
    found = []
    for pipe, process in zip(pipes, processes, strict=True):
        with contextlib.suppress(EOFError):
            found.append(pipe.recv())
        process.join()
    return found


def be(rank, world, port, function, pipe):
    torch.set_num_threads(1)  # the threads of the parent's pool were not forked
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    pipe.send(function(rank))


def on_ranks(world, words, before=lambda rank: None):
    """`torchref WORDS` on each rank: (status, what it printed, what it said on stderr). `before(rank)` comes first."""

    def rank_of(rank):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            before(rank)
            status = main(words)
        return status, out.getvalue(), err.getvalue()

    return in_processes(world, rank_of)
