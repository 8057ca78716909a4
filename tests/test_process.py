"""What the process tells whoever started it, each in a process that can be ended."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from wonderq.process import Refused, boot_id, monotonic_clock


def run(*lines: str) -> subprocess.CompletedProcess[str]:
    """Run a program of a few lines."""
    program = "\n".join(("import os, signal, sys, threading", "from wonderq.process import *", *lines))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)


def test_a_refusal_ends_the_process_with_one_line_on_stderr_and_1() -> None:
    done = run("raise Refused('it is\\n  taken')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "wonderq: it is taken\n")


def test_a_refusal_after_logging_has_begun_still_goes_to_stderr_and_once() -> None:
    done = run(
        "sys.stderr = open(os.devnull, 'w')",
        "refusal = Refused('taken')",
        "Process().refused(refusal)",
        "raise refusal",
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "wonderq: taken\n")


def test_a_refusal_may_have_another_status() -> None:
    done = run("refusal = Refused('full', 74)", "Process().refused(refusal)", "raise refusal")
    assert (done.returncode, done.stderr) == (74, "wonderq: full\n")


def test_twistd_can_catch_a_refusal_to_tidy_up() -> None:
    with pytest.raises(Exception, match="wonderq: taken"):
        raise Refused("taken")
    assert issubclass(Refused, Exception)


def test_an_exit_status_is_that_of_a_process_that_ends_well_otherwise() -> None:
    done = run("Process().exit_with(74)", "print('stopped')")
    assert (done.returncode, done.stdout, done.stderr) == (74, "stopped\n", "")


def test_a_process_can_leave_what_hangs() -> None:
    done = run("threading.Thread(target=threading.Event().wait).start()", "print('hung')", "Process().leave(74)")
    assert (done.returncode, done.stdout, done.stderr) == (74, "hung\n", "")


def test_what_is_settled_is_spared_the_garbage_collector() -> None:
    done = run("import gc", "Process().settle()", "print(gc.get_freeze_count() > 1000)")
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_a_process_leaves_though_nobody_reads_what_it_says() -> None:
    done = run(
        "read, write = os.pipe()",
        "os.close(read)",
        "sys.stdout = os.fdopen(write, 'w')",
        "sys.stdout.write('lost')",
        "threading.Thread(target=threading.Event().wait).start()",
        "Process().leave(74)",
    )
    assert (done.returncode, done.stdout, done.stderr) == (74, "", "")


def test_a_signal_that_is_ignored_does_nothing() -> None:
    done = run("Process().ignore(signal.SIGHUP)", "os.kill(os.getpid(), signal.SIGHUP)", "print('alive')")
    assert (done.returncode, done.stdout) == (0, "alive\n")


def daemonise(*first_words: str) -> subprocess.CompletedProcess[str]:
    """Fork twice as twistd does, and let the daemon say its first words."""
    return run(
        "daemon = Daemon()",
        "if os.fork():",
        "    print('launched')",
        "elif os.fork():",
        "    os._exit(0)",
        "else:",
        "    null = os.open(os.devnull, os.O_RDWR)",
        "    [os.dup2(null, number) for number in range(3)]",
        *(f"    {word}" for word in first_words),
    )


def test_whoever_launches_a_daemon_sees_its_refusal() -> None:
    done = daemonise(
        "refusal = Refused('Zwölf Boxkämpfer ' + 20 * 'jagen Viktor ')", "daemon.refused(refusal)", "raise refusal"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "wonderq: Zwölf Boxkämpfer " + " ".join(20 * ["jagen Viktor"]) + "\n"


def test_whoever_launches_a_daemon_gets_the_status_of_its_refusal() -> None:
    done = daemonise("refusal = Refused('full', 74)", "daemon.refused(refusal)", "raise refusal")
    assert (done.returncode, done.stdout, done.stderr) == (74, "", "wonderq: full\n")


def test_whoever_launches_a_daemon_that_starts_goes_on() -> None:
    done = daemonise("daemon.started()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "launched\n", "")


def test_whoever_launches_a_daemon_that_dies_without_a_word_goes_on_and_is_not_stuck() -> None:
    done = daemonise("os._exit(3)")
    assert (done.returncode, done.stdout) == (0, "launched\n")


def test_the_clock_is_one_that_nobody_sets_and_goes_on_while_the_machine_sleeps_where_there_is_one() -> None:
    number = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    assert abs(monotonic_clock()() - time.clock_gettime(number)) < 10


def test_a_boot_has_one_name() -> None:
    assert boot_id() == boot_id()
    assert len(boot_id()) >= 32
