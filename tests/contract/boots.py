"""What time it is after a restart: on the same boot of the machine, and on the next."""

from __future__ import annotations

from tests.contract.surviving import Surviving
from wonderq.model import Claim


class SurvivingOnOneBoot(Surviving):
    """A restart of the server, not of its machine: the wall clock means nothing."""

    def test_a_jump_of_the_wall_clock_while_the_server_is_away_moves_no_deadline(self) -> None:
        for jump in (86400.0, -86400.0):
            delayed, leased = self.publish(delay=20.0), self.publish()
            self.receive("alice", lease=20.0)
            self.harness.jump_wall(jump)
            self.harness.restart(away=10.0)
            self.harness.advance(9.5)
            self.assertEqual(self.ids("bob"), [])
            self.harness.advance(0.5)
            self.assertEqual(self.ids("bob"), [delayed, leased])
            self.delete("bob", Claim(delayed), Claim(leased))


class SurvivingReboots(Surviving):
    """A restart of the machine: the wall clock tells how long it took, and never makes anything longer."""

    def test_a_wall_clock_set_back_makes_no_lease_or_delay_longer_than_it_was(self) -> None:
        delayed, leased = self.publish(delay=20.0), self.publish()
        self.receive("alice", lease=20.0)
        self.harness.jump_wall(-86400.0)
        self.harness.restart(away=5.0)
        self.harness.advance(20)
        self.assertEqual(self.ids("bob"), [delayed, leased])

    def test_a_wall_clock_set_forward_ends_what_would_have_ended(self) -> None:
        delayed, leased = self.publish(delay=20.0), self.publish()
        self.receive("alice", lease=20.0)
        self.harness.jump_wall(86400.0)
        self.harness.restart()
        self.assertEqual(self.ids("bob"), [delayed, leased])
