"""Compare the state after a chaos run with the expected state: nothing is lost, doubled or different."""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.gateway.mongodb.store import open_store
from services.gateway.settings import Settings as GatewaySettings
from shared.blobs import Blobs, open_storage
from shared.events import (
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
    CADENCE_READY,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    UndecodableEventError,
    decode,
)
from shared.formats import EVENTS_JSON
from shared.object_keys import artefact_key
from tests.chaos.cadences import ChaosCadence
from tests.chaos.digests import Digests, digests_of, digests_of_cadence
from tests.chaos.messages import QUIET_PATIENCE_S, QUIET_POLL_S, everything, until_quiet
from tests.chaos.observations import Observation
from tests.chaos.stacks import Playground
from tests.chaos.user import Job, StartedCadence, User

# What may be published again must say the same.
ONE_CONTENT = (
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    CADENCE_READY,
    CADENCE_CLASSIFIED,
    CADENCE_EXPORTED,
)
# A track counts as that of an emitter if it is this near at the epoch.
TOLERANCE_HZ = 20.0
PREFIX = "WATERHOLE_"


@dataclass
class Audit:
    """Findings of a run. A run passes if every list of findings is empty."""

    accepted: int = 0
    complete: int = 0
    refused_as_they_should: int = 0
    cadences: int = 0
    complete_cadences: int = 0
    failed_as_they_should: int = 0
    shared_scans: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    wrong_counters: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    events: int = 0
    repeated_events: int = 0
    # Jobs on malformed files that left a dead letter: an event that was published twice leaves two.
    dead_letters: set[str] = field(default_factory=set)
    artefacts: int = 0
    not_compared: set[str] = field(default_factory=set)

    @property
    def findings(self) -> list[str]:
        """Return all findings as sentences."""
        lists = ("lost", "doubled", "different", "wrong_counters", "orphans", "unaccounted")
        return [f"{name}: {one}" for name in lists for one in getattr(self, name)]

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of the printed table."""
        return [
            ("jobs accepted", str(self.accepted)),
            ("complete with all artefacts", str(self.complete)),
            ("malformed, failed with bad_observation", str(self.refused_as_they_should)),
            ("cadences accepted", f"{self.cadences} ({self.shared_scans} of their scans were jobs before)"),
            ("complete with all files", str(self.complete_cadences)),
            ("without enough scans, failed with too_few_scans", str(self.failed_as_they_should)),
            ("lost", str(len(self.lost))),
            ("doubled", str(len(self.doubled))),
            ("different from an undisturbed run", f"{len(self.different)} (of {self.artefacts} artefacts compared)"),
            ("wrong quota counters", str(len(self.wrong_counters))),
            ("orphaned objects in S3", str(len(self.orphans))),
            ("events unaccounted for", f"{len(self.unaccounted)} (of {self.events}; {self.repeated_events} repeats)"),
            ("dead letters of malformed files", f"{len(self.dead_letters)} jobs"),
        ]


class Auditor:
    """Learns the results of undisturbed jobs and compares the results of a disturbed run with them."""

    def __init__(self, playground: Playground, users: Sequence[User]) -> None:
        self._playground = playground
        self._users = users
        self._expected: dict[str, Digests] = {}
        self._expected_cadences: dict[str, Digests] = {}
        self._varying: set[str] = set()

    def _settings(self) -> GatewaySettings:
        environment: Mapping[str, str] = self._playground.environment
        known = {f"{PREFIX}{name.upper()}" for name in GatewaySettings.model_fields}
        fields = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name in known}
        # Settings that are objects are JSON in the environment.
        read: dict[str, Any] = {
            name: json.loads(value) if value.startswith("{") else value for name, value in fields.items()
        }
        return GatewaySettings(**read)

    async def learn(self, observations: Iterable[Observation]) -> None:
        """Run each observation twice without disturbances.

        Artefacts that differ between the two runs are reported and not compared.
        """
        user = self._users[0]
        async with open_storage(self._settings()) as storage:
            for observation in observations:
                jobs = [await user.run(observation, f"learn-{observation.name}-{turn}") for turn in range(2)]
                if any(job.status != "complete" for job in jobs):
                    raise RuntimeError(f"{observation.name} did not complete undisturbed: {jobs[0].body}")
                first, second = [await digests_of(storage.results, job.job_id) for job in jobs]
                self._varying |= {name for name in first if first[name] != second.get(name)}
                self._expected[observation.name] = first

    async def learn_cadences(self, cadences: Iterable[ChaosCadence]) -> None:
        """Run each cadence twice without disturbances, and check that both runs give the same and known answer.

        The scans of the second run are the jobs of the first.

        Raises
        ------
        RuntimeError
            A cadence did not end as it should, or the two runs differ.
        """
        user = self._users[0]
        async with open_storage(self._settings()) as storage:
            for cadence in cadences:
                of_jobs = replace(cadence, scans=tuple(replace(scan, is_shared=True) for scan in cadence.scans))
                turns = enumerate((cadence, of_jobs))
                runs = [await user.run_cadence(one, f"learn-{cadence.name}-{turn}") for turn, one in turns]
                for job_id, scan in zip(runs[0].job_ids, cadence.scans, strict=True):
                    if not scan.observation.is_malformed:
                        self._expected[scan.observation.name] = await digests_of(storage.results, job_id)
                if cadence.events_hz is None:
                    continue
                if any(run.status != "complete" for run in runs):
                    raise RuntimeError(f"the cadence {cadence.name} did not complete undisturbed: {runs[0].body}")
                first, second = [await digests_of_cadence(storage.results, run.cadence_id, run.job_ids) for run in runs]
                if first != second:
                    differing = sorted(name for name in first if first[name] != second.get(name))
                    raise RuntimeError(f"undisturbed, {cadence.name} differs from itself in {differing}")
                found = await events_of(storage.results, runs[0].cadence_id)
                if not are_near(found, cadence.events_hz):
                    raise RuntimeError(f"{cadence.name} has events at {found} Hz instead of {cadence.events_hz}")
                self._expected_cadences[cadence.name] = first

    async def look(self) -> Audit:
        """Compare events, jobs, cadences, quotas and objects with the expected ones."""
        audit = Audit(not_compared=set(self._varying))
        jobs = {job.job_id: job for user in self._users for job in user.jobs}
        cadences = {run.cadence_id: run for user in self._users for run in user.cadences}
        audit.accepted, audit.cadences = len(jobs), len(cadences)
        await self._look_at_events(audit, jobs, cadences)
        await self._look_at_users(audit)
        async with open_storage(self._settings()) as storage:
            for job in jobs.values():
                await self._look_at_job(audit, job, storage.results)
            for run in cadences.values():
                await self._look_at_cadence(audit, run, storage.results)
            owners = {
                *(job.job_id for job in jobs.values() if not job.observation.is_malformed),
                *(run.cadence_id for run in cadences.values() if run.cadence.events_hz is not None),
            }
            await self._look_for_orphans(audit, owners, storage.results, storage.uploads)
        return audit

    async def _look_at_job(self, audit: Audit, job: Job, results: Blobs) -> None:
        name = f"{job.observation.name} {job.job_id}"
        body = job.body or {}
        if job.observation.is_malformed:
            if job.status == "failed" and body.get("error_detail", {}).get("code") == "bad_observation":
                audit.refused_as_they_should += 1
            else:
                audit.different.append(f"{name} should have failed with bad_observation, but is {job.status}")
            return
        if job.status != "complete":
            (audit.different if job.status == "failed" else audit.lost).append(f"{name} is {job.status}: {body}")
            return
        found = await digests_of(results, job.job_id)
        _compare(audit, name, found, self._expected[job.observation.name], self._varying)
        audit.complete += 1

    async def _look_at_cadence(self, audit: Audit, run: StartedCadence, results: Blobs) -> None:
        name, body, expected = f"cadence {run.cadence.name} {run.cadence_id}", run.body or {}, run.cadence.events_hz
        audit.shared_scans += run.shared
        if expected is None:
            if run.status == "failed" and body.get("error_detail", {}).get("code") == "too_few_scans":
                audit.failed_as_they_should += 1
            else:
                audit.different.append(f"{name} should have failed with too_few_scans, but is {run.status}")
            return
        if run.status != "complete":
            (audit.different if run.status == "failed" else audit.lost).append(f"{name} is {run.status}: {body}")
            return
        if body["results"]["events"] != len(expected):
            audit.different.append(f"{name} shows {body['results']['events']} events instead of {len(expected)}")
        found = await digests_of_cadence(results, run.cadence_id, run.job_ids)
        _compare(audit, name, found, self._expected_cadences[run.cadence.name], set())
        audit.complete_cadences += 1

    async def _look_at_users(self, audit: Audit) -> None:
        async with open_store(self._settings()) as store:
            # The sweeper frees slots that a killed gateway left open.
            for _ in range(int(QUIET_PATIENCE_S / QUIET_POLL_S)):
                open_slots = {user_id: taken async for user_id, taken in store.quotas.slots() if taken}
                if not open_slots:
                    break
                await asyncio.sleep(QUIET_POLL_S)
        audit.wrong_counters += [f"{user_id} has open slots: {taken}" for user_id, taken in open_slots.items()]
        for user in self._users:
            used = (await user.ask("GET", "/usage"))["usage_this_month"]
            if used != len(user.jobs):
                audit.wrong_counters.append(f"the usage shows {used} jobs, but the user started {len(user.jobs)}")
            for path, kind, mine in (
                ("/jobs", "job", Counter(job.job_id for job in user.jobs)),
                ("/cadences", "cadence", Counter(run.cadence_id for run in user.cadences)),
            ):
                listed = Counter(one[f"{kind}_id"] for one in await user.ask_all(path))
                audit.doubled += [f"{kind} {one} is listed, but no user started it" for one in listed - mine]
                audit.lost += [f"{kind} {one} is not listed" for one in mine - listed]

    async def _look_for_orphans(self, audit: Audit, owners: set[str], results: Blobs, uploads: Blobs) -> None:
        """Look for objects that belong to none of `owners`, which are jobs and cadences."""
        known_uploads = {key for user in self._users for key in user.uploads}
        for key in await results.list_keys(""):
            match = re.match(r"jobs/([^/]+)/", key)
            if not match or match[1] not in owners:
                audit.orphans.append(key)
        audit.orphans += [key for key in await uploads.list_keys("") if key not in known_uploads]
        audit.orphans += [upload.key for upload in await uploads.list_multiparts("")]

    async def _look_at_events(
        self, audit: Audit, jobs: Mapping[str, Job], cadences: Mapping[str, StartedCadence]
    ) -> None:
        bootstrap = self._settings().kafka_bootstrap
        audit.unaccounted += await until_quiet(bootstrap)
        messages = await everything(bootstrap)
        for topic, records in messages.items():
            for record in records if topic.endswith(".dlq") else ():
                self._look_at_letter(audit, record, jobs)
        look_at_messages(audit, messages, jobs.keys() | cadences.keys())

    def _look_at_letter(self, audit: Audit, record: Any, jobs: Mapping[str, Job]) -> None:
        job = jobs.get((record.key or b"").decode().split(":")[0])
        headers = {name: value.decode() for name, value in record.headers}
        if job is not None and job.observation.is_malformed and headers.get("error_code") == "bad_observation":
            audit.dead_letters.add(job.job_id)
        else:
            audit.unaccounted.append(f"unexpected dead letter {headers}")


async def events_of(results: Blobs, cadence_id: str) -> list[float]:
    """Return the frequencies of a cadence's events, Hz."""
    document = json.loads(await results.get(artefact_key(cadence_id, EVENTS_JSON.filename)))
    return [event["frequency_hz"] for event in document["events"]]


def are_near(found: Sequence[float], expected: Sequence[float]) -> bool:
    pairs = zip(sorted(found), sorted(expected), strict=False)
    return len(found) == len(expected) and all(abs(one - other) <= TOLERANCE_HZ for one, other in pairs)


def _compare(audit: Audit, name: str, found: Digests, expected: Digests, varying: set[str]) -> None:
    """Compare the files of a job or cadence with those of an undisturbed run."""
    audit.lost += [f"{name} lacks {one}" for one in expected.keys() - found.keys()]
    audit.doubled += [f"{name} has the unexpected artefact {one}" for one in found.keys() - expected.keys()]
    compared = (found.keys() & expected.keys()) - varying
    audit.artefacts += len(compared)
    audit.different += [f"{name}: {one}" for one in sorted(compared) if found[one] != expected[one]]


def look_at_messages(audit: Audit, messages: Mapping[str, Sequence[Any]], known: set[str]) -> None:
    """Look for events of unknown jobs and cadences, and for repeats that say something else."""
    contents: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    seen: Counter[str] = Counter()
    for topic, records in messages.items():
        for record in () if topic.endswith(".dlq") else records:
            try:
                event = decode(record.value)
            except UndecodableEventError as error:
                audit.unaccounted.append(f"{topic} {record.partition}:{record.offset}: {error}")
                continue
            audit.events += 1
            seen[str(event.event_id)] += 1
            if event.job_id not in known:
                audit.unaccounted.append(f"{topic} names the unknown job {event.job_id}")
            if topic in ONE_CONTENT:
                contents[event.job_id, topic].add(event.model_dump_json(exclude={"occurred_at"}).encode())
    audit.repeated_events = sum(count - 1 for count in seen.values())
    for (job_id, topic), different in contents.items():
        if len(different) > 1:
            audit.doubled.append(f"job {job_id} has {len(different)} different events on {topic}")
