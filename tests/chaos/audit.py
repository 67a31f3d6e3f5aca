"""Compare the state after a chaos run with the expected state: nothing is lost, doubled or different."""

import asyncio
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.gateway.mongodb.store import open_store
from services.gateway.settings import Settings as GatewaySettings
from shared.blobs import Blobs, open_storage
from shared.events import (
    CHUNK_READY,
    CHUNK_SEARCHED,
    JOB_FAILED,
    JOB_PROGRESS,
    OBSERVATION_CLASSIFIED,
    OBSERVATION_EXPORTED,
    OBSERVATION_SUBMITTED,
    TOPICS,
    UndecodableEventError,
    decode,
)
from shared.object_keys import artefact_key, hits_prefix, job_prefix
from tests.chaos.observations import Observation
from tests.chaos.stacks import Playground
from tests.chaos.user import Job, User

GROUPS = {
    "ingest": (OBSERVATION_SUBMITTED,),
    "dedoppler": (CHUNK_READY,),
    "classify": (CHUNK_SEARCHED,),
    "export": (OBSERVATION_CLASSIFIED,),
    "gateway": (OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED, JOB_PROGRESS, JOB_FAILED),
}
QUIET_PATIENCE_S = 90
QUIET_POLL_S = 0.5
PREFIX = "WATERHOLE_"
# The chunk plan and the number of the last chunk depend partly on chance.
NO_ARTEFACTS = frozenset({"plan.json", "finished_by_chunk", "classified_from", "exported_from"})
# Ids and times, which differ between two runs on the same file.
OWN_FIELDS = frozenset({"job_id", "processing_time_seconds", "processing_time_s", "completed_at", "created_at", "date"})

Digests = dict[str, str]


@dataclass
class Audit:
    """Findings of a run. A run passes if every list of findings is empty."""

    accepted: int = 0
    complete: int = 0
    refused_as_they_should: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    wrong_counters: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    events: int = 0
    repeated_events: int = 0
    dead_letters: int = 0
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
            ("lost", str(len(self.lost))),
            ("doubled", str(len(self.doubled))),
            ("different from an undisturbed run", f"{len(self.different)} (of {self.artefacts} artefacts compared)"),
            ("wrong quota counters", str(len(self.wrong_counters))),
            ("orphaned objects in S3", str(len(self.orphans))),
            ("events unaccounted for", f"{len(self.unaccounted)} (of {self.events}; {self.repeated_events} repeats)"),
            ("dead letters of malformed files", str(self.dead_letters)),
        ]


async def digests_of(results: Blobs, job_id: str) -> Digests:
    """Return the SHA-256 of each artefact of a job, without the ids and times that are specific to the job."""
    keys = await results.list_keys(job_prefix(job_id))
    names = [key.removeprefix(job_prefix(job_id)) for key in keys if not key.startswith(hits_prefix(job_id))]
    bodies = await asyncio.gather(*(results.get(artefact_key(job_id, name)) for name in names))
    pairs = zip(names, bodies, strict=True)
    return {name: _digest(name, body, job_id) for name, body in pairs if name not in NO_ARTEFACTS}


def _digest(name: str, body: bytes, job_id: str) -> str:
    if name.endswith(".json"):
        body = json.dumps(_without_own(json.loads(body)), sort_keys=True).encode()
    return hashlib.sha256(body.replace(job_id.encode(), b"JOB")).hexdigest()


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(one) for key, one in value.items() if key not in OWN_FIELDS}
    if isinstance(value, list):
        return [_without_own(one) for one in value]
    return value


class Auditor:
    """Learns the results of undisturbed jobs and compares the results of a disturbed run with them."""

    def __init__(self, playground: Playground, users: Sequence[User]) -> None:
        self._playground = playground
        self._users = users
        self._expected: dict[str, Digests] = {}
        self._varying: set[str] = set()

    def _settings(self) -> GatewaySettings:
        environment: Mapping[str, Any] = self._playground.environment
        known = {f"{PREFIX}{name.upper()}" for name in GatewaySettings.model_fields}
        fields = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name in known}
        return GatewaySettings(**fields)

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

    async def look(self) -> Audit:
        """Compare events, jobs, quotas and objects with the expected ones."""
        audit = Audit(not_compared=set(self._varying))
        jobs = {job.job_id: job for user in self._users for job in user.jobs}
        audit.accepted = len(jobs)
        await self._look_at_events(audit, jobs)
        await self._look_at_users(audit)
        async with open_storage(self._settings()) as storage:
            for job in jobs.values():
                await self._look_at_job(audit, job, storage.results)
            await self._look_for_orphans(audit, jobs, storage.results, storage.uploads)
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
        found, expected = await digests_of(results, job.job_id), self._expected[job.observation.name]
        audit.lost += [f"{name} lacks {artefact}" for artefact in expected.keys() - found.keys()]
        audit.doubled += [
            f"{name} has the unexpected artefact {artefact}" for artefact in found.keys() - expected.keys()
        ]
        compared = (found.keys() & expected.keys()) - self._varying
        audit.artefacts += len(compared)
        audit.different += [f"{name}: {one}" for one in sorted(compared) if found[one] != expected[one]]
        audit.complete += 1

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
            listed = [job["job_id"] for job in await user.ask("GET", "/jobs?limit=100")]
            mine = Counter(job.job_id for job in user.jobs)
            audit.doubled += [f"job {job_id} is listed, but no user started it" for job_id in set(listed) - set(mine)]
            audit.lost += [f"job {job_id} is not listed" for job_id in set(mine) - set(listed)]

    async def _look_for_orphans(self, audit: Audit, jobs: Mapping[str, Job], results: Blobs, uploads: Blobs) -> None:
        known_uploads = {key for user in self._users for key in user.uploads}
        for key in await results.list_keys(""):
            match = re.match(r"jobs/([^/]+)/", key)
            if not match or match[1] not in jobs or jobs[match[1]].observation.is_malformed:
                audit.orphans.append(key)
        audit.orphans += [key for key in await uploads.list_keys("") if key not in known_uploads]
        audit.orphans += [upload.key for upload in await uploads.list_multiparts("")]

    async def _look_at_events(self, audit: Audit, jobs: Mapping[str, Job]) -> None:
        bootstrap = self._settings().kafka_bootstrap
        audit.unaccounted += await until_quiet(bootstrap)
        results: dict[tuple[str, str], set[bytes]] = defaultdict(set)
        seen: Counter[str] = Counter()
        for topic, records in (await everything(bootstrap)).items():
            for record in records:
                if topic.endswith(".dlq"):
                    self._look_at_letter(audit, record, jobs)
                    continue
                try:
                    event = decode(record.value)
                except UndecodableEventError as error:
                    audit.unaccounted.append(f"{topic} {record.partition}:{record.offset}: {error}")
                    continue
                audit.events += 1
                seen[str(event.event_id)] += 1
                if event.job_id not in jobs:
                    audit.unaccounted.append(f"{topic} names the unknown job {event.job_id}")
                if topic in (OBSERVATION_CLASSIFIED, OBSERVATION_EXPORTED):
                    content = event.model_dump_json(exclude={"occurred_at"}).encode()
                    results[event.job_id, topic].add(content)
        audit.repeated_events = sum(count - 1 for count in seen.values())
        for (job_id, topic), contents in results.items():
            if len(contents) > 1:
                audit.doubled.append(f"job {job_id} has {len(contents)} different events on {topic}")

    def _look_at_letter(self, audit: Audit, record: Any, jobs: Mapping[str, Job]) -> None:
        job = jobs.get((record.key or b"").decode().split(":")[0])
        headers = {name: value.decode() for name, value in record.headers}
        if job is not None and job.observation.is_malformed and headers.get("error_code") == "bad_observation":
            audit.dead_letters += 1
        else:
            audit.unaccounted.append(f"unexpected dead letter {headers}")


async def everything(bootstrap: str) -> dict[str, list[Any]]:
    """Return all messages on the topics of Waterhole, by topic."""
    found: dict[str, list[Any]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50) as reader:
        known = await reader.topics()
        wanted = [name for topic in TOPICS for name in (topic, f"{topic}.dlq") if name in known]
        for topic in wanted:
            partitions = await _partitions(bootstrap, topic)
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            found[topic] = []
            while any([await reader.position(one) < ends[one] for one in partitions]):
                for records in (await reader.getmany(timeout_ms=1_000)).values():
                    found[topic] += records
    return found


async def until_quiet(bootstrap: str) -> list[str]:
    """Wait until every group has handled all messages, or `QUIET_PATIENCE_S` has passed. Return the remaining lags."""
    left: list[str] = []
    for _ in range(int(QUIET_PATIENCE_S / QUIET_POLL_S)):
        left = await _lags(bootstrap)
        if not left:
            break
        await asyncio.sleep(QUIET_POLL_S)
    return left


async def _lags(bootstrap: str) -> list[str]:
    """Return the lag of each group that has unhandled messages, as sentences."""
    left = []
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as reader:
            known = await reader.topics()
            watched = [(group, topic) for group, topics in GROUPS.items() for topic in topics if topic in known]
            for group, topic in watched:
                partitions = await _partitions(bootstrap, topic)
                ends = await reader.end_offsets(partitions)
                committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
                for one in partitions:
                    at = max(0, committed[one].offset) if one in committed else 0
                    if at < ends[one]:
                        left.append(f"{group} has {ends[one] - at} unhandled messages on {topic}[{one.partition}]")
    finally:
        await admin.close()
    return left


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """Return the partitions of an existing topic."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as asker:
        return [TopicPartition(topic, number) for number in sorted(await asker.partitions_for(topic))]
