from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard import Reason
from ingest_guard.policy.crawl import Fairness
from ingest_guard.workers.domains import Domain, Domains
from ingest_guard.workers.fair_queue import FairQueue
from ingest_guard.workers.worker import Job

LIMIT = 10.0


@dataclass
class Simulation:
    """Workers that take as long as each image says, in a time of their own."""

    workers: int = 2
    now: float = 1000.0
    queue: FairQueue = field(init=False)
    domains: Domains = field(init=False)
    under_way: list[tuple[float, float, str, Reason | None, Job]] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    ended: list[tuple[float, str]] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    ends: dict[int, tuple[str, float, Reason | None]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.domains = Domains(Fairness(), LIMIT, self.workers, lambda: self.now)
        self.queue = FairQueue(self.domains, lambda: self.now)

    def push(self, name: str, seconds: float, count: int = 1, reason: Reason | None = None) -> None:
        """Queue images of a domain."""
        for _ in range(count):
            job = Job(b"", None, self.domains.get(name))
            self.ends[id(job)] = (name, seconds, reason)
            self.queue.push(job)

    def step(self, until: float) -> bool:
        """Give workers what they may have, and go to the next end; False where nothing is left, or the time is over."""
        while len(self.under_way) < self.workers and (job := self.queue.pop()) is not None:
            name, seconds, reason = self.ends[id(job)]
            assert job.domain is not None
            if self.domains.is_closed(job.domain):
                self.queue.release(job)
                self.dropped[name] += 1
                continue
            self.under_way.append((self.now + seconds, seconds, name, reason, job))
            running = Counter(each[2] for each in self.under_way)
            self.most_at_once[name] = max(self.most_at_once[name], running[name])
        if self.now >= until or not (self.under_way or self.queue):
            return False
        coming = min((each[0] for each in self.under_way), default=self.now + 0.25)
        # What waits for others to be quiet is looked at again four times a second.
        self.now = min(coming, self.now + 0.25) if self.queue else coming
        for each in [each for each in self.under_way if each[0] <= self.now]:
            self.under_way.remove(each)
            _, seconds, name, reason, job = each
            self.used[name] += seconds
            self.ended.append((self.now, name))
            self.queue.count_end(job, seconds, reason)
        return True

    def run(self, seconds: float = 1e6) -> None:
        """Run until all is done, or for so many seconds."""
        until = self.now + seconds
        while self.step(until):
            pass

    def last(self, name: str) -> float:
        """Return when the last image of a domain ended, from the beginning."""
        return max(when for when, whose in self.ended if whose == name) - 1000.0


def test_one_domain_keeps_its_order() -> None:
    """The images of one domain go to the workers in the order in which they came."""
    domains = Domains()
    queue = FairQueue(domains)
    jobs = [Job(bytes([number]), None, domains.get("a")) for number in range(20)]
    for job in jobs:
        queue.push(job)
    assert len(queue) == 20
    assert [queue.pop() for _ in jobs] == jobs
    assert queue.pop() is None
    assert not queue


def test_a_probe_goes_before_everything_else() -> None:
    """A probe belongs to no domain, and costs none."""
    domains = Domains()
    queue = FairQueue(domains)
    probe = Job(b"probe", None)
    queue.push(Job(b"", None, domains.get("a")))
    queue.push(probe)
    assert queue.pop() is probe
    queue.count_end(probe, 5.0, None)
    assert domains.statistics()["worker_seconds"] == 0


def test_what_a_worker_has_not_begun_with_goes_back_to_the_front() -> None:
    """Its domain has paid nothing for it then."""
    domains = Domains()
    queue = FairQueue(domains)
    first, second = (Job(bytes([number]), None, domains.get("a")) for number in range(2))
    queue.push(first)
    queue.push(second)
    assert queue.pop() is first
    queue.put_back(first)
    assert (domains.get("a").virtual, domains.get("a").with_workers) == (0, 0)
    assert queue.clear() == [first, second]
    assert not queue


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_quick_domains_do_not_wait_behind_a_slow_one(workers: int) -> None:
    """A host with images of seven seconds, asked for before all others, holds nobody up for long."""
    crawl = Simulation(workers)
    crawl.push("slow.example", 7.0, 40)
    for name in ("a.example", "b.example", "c.example"):
        crawl.push(name, 0.005, 1000)
    crawl.run()
    together = 3 * 1000 * 0.005 / workers
    for name in ("a.example", "b.example", "c.example"):
        # One scan of the slow domain was begun before it was known; with one worker everybody waits for that.
        assert crawl.last(name) <= 7.0 + 2.5 * together + (7.0 if workers == 1 else 0)
    assert crawl.last("slow.example") >= 40 * 7.0 / workers


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_domain_that_is_alone_gets_all_workers(workers: int) -> None:
    """No worker idles because a domain is slow or unknown while no other one is active."""
    crawl = Simulation(workers)
    crawl.push("slow.example", 7.0, 8 * workers)
    crawl.run()
    assert crawl.now - 1000.0 == pytest.approx(8 * 7.0)
    assert crawl.most_at_once["slow.example"] == workers


def test_quick_images_that_come_one_by_one_are_not_starved_by_slow_ones() -> None:
    """The gaps between a quick domain's images are not filled with all workers' long scans."""
    crawl = Simulation(2)
    crawl.push("slow.example", 7.0, 100)
    crawl.push("quick.example", 0.005)
    crawl.run(8.0)
    waits = []
    for _ in range(200):
        crawl.push("quick.example", 0.005)
        before, done = crawl.now, len([1 for _, name in crawl.ended if name == "quick.example"])
        while len([1 for _, name in crawl.ended if name == "quick.example"]) == done:
            crawl.step(1e9)
        waits.append(crawl.now - before)
        crawl.run(0.1)
    assert sorted(waits)[-10] < 0.05


def test_a_slow_domain_is_not_starved() -> None:
    """With a single worker and others that never stop, it gets about half of the time; what is saved up is not more."""
    crawl = Simulation(1)
    crawl.push("slow.example", 5.0, 20)
    for _ in range(400):
        crawl.push("quick.example", 0.05, 10)
        crawl.run(0.5)
    assert 0.25 < crawl.used["slow.example"] / (crawl.now - 1000.0) < 0.75


@settings(max_examples=60, deadline=None)
@given(
    costs=st.lists(st.floats(0.001, 0.2), min_size=2, max_size=6),
    workers=st.integers(1, 4),
)
def test_busy_domains_get_equal_time(costs: list[float], workers: int) -> None:
    """Whatever an image costs: domains that always have something waiting get the same share of the workers' time."""
    crawl = Simulation(workers)
    for number, cost in enumerate(costs):
        crawl.push(f"{number}.example", cost, int(workers * 40 / len(costs) / cost) + 10)
    crawl.run(30.0)
    used = [crawl.used[f"{number}.example"] for number in range(len(costs))]
    assert max(used) - min(used) <= 0.1 * max(used) + 4 * max(costs) * workers


@settings(max_examples=100, deadline=None)
@given(
    images=st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.floats(0.001, 12),
            st.sampled_from([None, None, None, Reason.TIMEOUT, Reason.CORRUPT, Reason.WORKER_CRASHED]),
        ),
        max_size=120,
    ),
    workers=st.integers(1, 5),
)
def test_every_image_is_scanned_or_dropped(images: list[tuple[str, float, Reason | None]], workers: int) -> None:
    """Nothing waits for ever, nothing is lost, and all that was charged in advance is made up for."""
    crawl = Simulation(workers)
    for name, seconds, reason in images:
        crawl.push(name, seconds, 1, reason)
    crawl.run()
    assert len(crawl.ended) + sum(crawl.dropped.values()) == len(images)
    assert len(crawl.queue) == 0
    for name in {image[0] for image in images}:
        domain = crawl.domains.get(name)
        assert domain.with_workers == 0
        assert domain.seconds == pytest.approx(crawl.used[name])
    assert crawl.queue._slow == 0


def test_a_domain_whose_scans_time_out_is_closed() -> None:
    """Three time limits at first, then a hundredth of the workers' time, and less with each closing."""
    crawl = Simulation(1)
    ten_hours = 36_000.0
    while crawl.now < 1000.0 + ten_hours:
        crawl.push("hostile.example", LIMIT, 1, Reason.TIMEOUT)
        crawl.run(5.0)
        crawl.now += 5.0
    assert crawl.used["hostile.example"] <= 3 * LIMIT + 0.01 * ten_hours
    assert crawl.used["hostile.example"] >= 4 * LIMIT
    assert crawl.domains.statistics()["closings"] == crawl.used["hostile.example"] / LIMIT - 2


def test_a_failed_scan_leaves_one_worker_at_a_time() -> None:
    """Until a scan of the domain is good again, the failing ones cannot take several workers at once."""
    crawl = Simulation(4)
    crawl.push("hostile.example", LIMIT, 1, Reason.TIMEOUT)
    crawl.run()
    crawl.most_at_once.clear()
    crawl.push("hostile.example", LIMIT, 10, Reason.TIMEOUT)
    crawl.run()
    assert crawl.most_at_once["hostile.example"] == 1
    assert crawl.dropped["hostile.example"] >= 8


def clocked(seconds: float = LIMIT, **policy: float) -> tuple[Domains, list[float]]:
    """Return domains for one worker, and the time that they go by."""
    now = [0.0]
    return Domains(Fairness(**policy), seconds, 1, lambda: now[0]), now


def time_until_open(domains: Domains, domain: Domain, now: list[float]) -> float:
    """Return how long a domain stays closed, and go there."""
    assert domains.is_closed(domain)
    closed_for = domain.closed_until - now[0]
    now[0] = domain.closed_until - 0.001
    assert domains.is_closed(domain)
    now[0] = domain.closed_until
    assert not domains.is_closed(domain)
    return closed_for


def test_closings_in_a_row_double_up_to_an_hour_and_a_good_scan_takes_one_back() -> None:
    """1000 s by the defaults with one worker, 2000 s, an hour; after two good scans 1000 s again."""
    domains, now = clocked()
    domain = domains.get("hostile.example")
    for _ in range(3):
        assert not domains.is_closed(domain)
        domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
    lasted = [time_until_open(domains, domain, now)]
    for _ in range(3):
        domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
        lasted.append(time_until_open(domains, domain, now))
    assert lasted == [pytest.approx(1000), pytest.approx(2000), 3600, 3600]
    for _ in range(4):
        domains.count_scan(domain, 0.01, None)
    domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
    assert time_until_open(domains, domain, now) == pytest.approx(1000, rel=0.01)


def test_good_scans_pay_for_failures() -> None:
    """A large host with a failure now and then stays open; one whose every second is a failure does not."""
    domains, now = clocked()
    mixed = domains.get("large.example")
    for _ in range(50):
        domains.count_scan(mixed, LIMIT, Reason.TIMEOUT)
        for _ in range(1000):
            domains.count_scan(mixed, 0.015, None)
            now[0] += 0.015
        assert not domains.is_closed(mixed)


def test_a_crash_costs_a_fifth_of_the_limit_and_a_corrupt_file_nothing() -> None:
    """What kills workers at once is closed, too; what a decoder refuses is no failure."""
    domains, _ = clocked()
    crashing, broken = domains.get("crashing.example"), domains.get("broken.example")
    for _ in range(1000):
        domains.count_scan(broken, 0.001, Reason.CORRUPT)
    crashes = 0
    while not domains.is_closed(crashing):
        domains.count_scan(crashing, 0.001, Reason.WORKER_CRASHED)
        crashes += 1
    assert crashes == 13
    assert not domains.is_closed(broken)
    assert broken.failed_in_row == 0


def test_what_fails_while_its_domain_is_closed_makes_the_closing_longer() -> None:
    """Scans that were under way cost what they took, and double nothing."""
    domains, _ = clocked()
    domain = domains.get("hostile.example")
    for _ in range(3):
        domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
    before = domain.closed_until
    domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
    assert domain.closed_until - before == pytest.approx(LIMIT / 0.01)
    assert domains.statistics()["closings"] == 1


def test_no_domain_is_closed_where_the_policy_says_so() -> None:
    """``failures: 0`` counts failures, and does nothing about them."""
    domains, _ = clocked(failures=0)
    domain = domains.get("hostile.example")
    for _ in range(100):
        domains.count_scan(domain, LIMIT, Reason.TIMEOUT)
    assert not domains.is_closed(domain)
    assert domains.statistics()["failed_scans"] == 100


def test_the_number_of_domains_is_bounded() -> None:
    """Those seen last stay; one that is in use stays the same object even when others have crowded it out."""
    domains, _ = clocked(remembered_domains=10)
    held = domains.get("held.example")
    for number in range(1000):
        domains.get(f"{number}.example")
    assert len(domains) == 11
    assert domains.get("held.example") is held


@settings(max_examples=60, deadline=None)
@given(
    scans=st.lists(
        st.tuples(st.floats(0.001, 10), st.sampled_from([None, Reason.TIMEOUT, Reason.WORKER_CRASHED, Reason.MEMORY])),
        max_size=300,
    ),
    pause=st.floats(0, 2000),
)
def test_failures_never_cost_more_than_the_budget(scans: list[tuple[float, Reason | None]], pause: float) -> None:
    """First budget + share of all time + time of good scans + one scan, whatever order they come in."""
    domains, now = clocked()
    domain = domains.get("any.example")
    good = failed = 0.0
    for seconds, reason in scans:
        if not domains.is_closed(domain):
            now[0] += seconds
            domains.count_scan(domain, seconds, reason)
            good, failed = (good + seconds, failed) if reason is None else (good, failed + seconds)
        now[0] += pause
        assert failed <= 3 * LIMIT + 0.01 * now[0] + good + LIMIT


def test_statistics_name_no_domain() -> None:
    """They are numbers of all domains together."""
    domains, _ = clocked()
    domains.count_scan(domains.get("a.example"), 3.0, None)
    domains.count_scan(domains.get("b.example"), 1.0, Reason.TIMEOUT)
    domains.drop()
    assert domains.statistics() == {
        "closings": 0,
        "dropped": 1,
        "failed_scans": 1,
        "failed_seconds": 1.0,
        "held_fetches": 0,
        "largest_share": 0.75,
        "worker_seconds": 4.0,
    }
