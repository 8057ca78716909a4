"""Store time goes on over restarts, whatever the wall clock does."""

from __future__ import annotations

from wonderq.local.clock import Mark, StoreClock

WALL = 1_700_000_000.0


class Machine:
    """A machine with its two clocks."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.wall = WALL
        self.boot = "first"

    def start(self, mark: Mark | None = None) -> StoreClock:
        """Start the server on it."""
        clock = StoreClock(lambda: self.monotonic, lambda: self.wall, self.boot)
        if mark is not None:
            clock.resume(mark)
        return clock

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.wall += seconds

    def reboot(self, down: float) -> None:
        """Be switched off for so many seconds."""
        self.boot = "second"
        self.monotonic = 5.0
        self.wall += down


def test_store_time_runs_with_the_monotonic_clock_and_not_with_the_wall_clock() -> None:
    machine = Machine()
    clock = machine.start()
    before = clock.now()
    machine.run(10)
    machine.wall += 86400
    assert clock.now() == before + 10
    machine.wall -= 2 * 86400
    assert clock.now() == before + 10


def test_a_restart_on_the_same_boot_counts_the_time_that_the_server_was_down() -> None:
    machine = Machine()
    mark = machine.start().mark()
    machine.run(7)
    assert machine.start(mark).now() == mark.store + 7


def test_a_restart_on_the_same_boot_does_not_look_at_the_wall_clock() -> None:
    machine = Machine()
    mark = machine.start().mark()
    machine.run(7)
    machine.wall -= 3600
    assert machine.start(mark).now() == mark.store + 7


def test_a_reboot_counts_the_time_that_the_machine_was_down_by_the_wall_clock() -> None:
    machine = Machine()
    mark = machine.start().mark()
    machine.reboot(down=60)
    clock = machine.start(mark)
    assert clock.now() == mark.store + 60
    machine.run(3)
    assert clock.now() == mark.store + 63


def test_after_a_reboot_with_the_wall_clock_set_back_no_deadline_gets_further_away() -> None:
    machine = Machine()
    clock = machine.start()
    deadline = clock.now() + 30
    mark = clock.mark()
    machine.reboot(down=-3600)
    assert deadline - machine.start(mark).now() == 30


def test_after_a_reboot_with_the_wall_clock_set_forward_deadlines_have_passed() -> None:
    machine = Machine()
    clock = machine.start()
    deadline = clock.now() + 30
    mark = clock.mark()
    machine.reboot(down=3600)
    assert deadline < machine.start(mark).now()


def test_store_time_never_goes_back_from_restart_to_restart() -> None:
    machine = Machine()
    clock = machine.start()
    last = clock.now()
    for down in (5, -100, 0, 1_000_000, -1_000_000):
        mark = clock.mark()
        machine.reboot(down)
        machine.boot += "!"
        clock = machine.start(mark)
        assert clock.now() >= last
        last = clock.now()


def test_a_store_time_is_shown_as_the_wall_time_that_is_as_far_from_now() -> None:
    machine = Machine()
    mark = machine.start().mark()
    machine.run(100)
    clock = machine.start(mark)
    assert clock.wall_at(clock.now() + 30) == machine.wall + 30
    machine.wall += 3600
    assert clock.wall_at(clock.now() + 30) == machine.wall + 30


def test_a_mark_is_one_moment_on_all_clocks() -> None:
    machine = Machine()
    clock = machine.start(Mark("first", 50.0, 900.0, WALL - 100))
    assert clock.mark() == Mark("first", 150.0, 1000.0, WALL)
