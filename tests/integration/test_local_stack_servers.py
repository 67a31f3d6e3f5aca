"""Test that the embedded servers speak their protocols, listen on loopback only, and clean up when they stop."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aioboto3
import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local.data_folder import DataFolderInUseError
from deploy.local.ports import is_free
from deploy.local.servers import SERVERS, EmbeddedServers, embedded_servers

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
LISTEN = "0A"
LOCAL_SOCKETS = Path("/tmp")


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    async with embedded_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


def s3_client(servers: EmbeddedServers, **extra):
    environment = servers.environment
    session = aioboto3.Session(
        aws_access_key_id=environment["WATERHOLE_S3_ACCESS_KEY"],
        aws_secret_access_key=environment["WATERHOLE_S3_SECRET_KEY"],
        region_name="us-east-1",
    )
    return session.client("s3", endpoint_url=servers.s3, config=Config(s3={"addressing_style": "path"}, **extra))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def listening_addresses(pid: int) -> set[str]:
    """Return the local addresses of all listening TCP sockets of a process, as in /proc/net/tcp."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = row.split()
            if state == LISTEN and rest[5] in inodes:
                found.add(local.partition(":")[0])
    return found


async def test_kafka_delivers_a_message(servers):
    topic = f"round-trip-{uuid.uuid4().hex}"
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka) as producer:
        await producer.send_and_wait(topic, b"hello", key=b"k")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=servers.kafka, group_id="test", auto_offset_reset="earliest", enable_auto_commit=False
    )
    async with consumer:
        message = await asyncio.wait_for(consumer.getone(), 30)
        await consumer.commit()
    assert (message.key, message.value) == (b"k", b"hello")


async def test_mongodb_stores_documents(servers):
    client = AsyncIOMotorClient(servers.mongodb)
    try:
        collection = client["test_database"]["things"]
        await collection.insert_one({"_id": "a", "n": 1})
        await collection.update_one({"_id": "a"}, {"$inc": {"n": 1}})
        assert await collection.find_one({"_id": "a"}) == {"_id": "a", "n": 2}
    finally:
        client.close()


@pytest.mark.parametrize("bucket", ["waterhole-uploads", "waterhole-results"])
async def test_s3_stores_objects_and_serves_presigned_urls(servers, bucket):
    async with s3_client(servers) as client:
        await client.put_object(Bucket=bucket, Key="a/b", Body=b"content")
        response = await client.get_object(Bucket=bucket, Key="a/b")
        assert await response["Body"].read() == b"content"
        url = await client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b"})
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert (response.status, await response.read()) == (200, b"content")


async def test_s3_refuses_unsigned_requests(servers):
    async with s3_client(servers) as client:
        await client.put_object(Bucket="waterhole-uploads", Key="private", Body=b"content")
    async with s3_client(servers, signature_version=UNSIGNED) as client:
        with pytest.raises(ClientError, match="AccessDenied"):
            await client.get_object(Bucket="waterhole-uploads", Key="private")
        with pytest.raises(ClientError, match="AccessDenied"):
            await client.put_object(Bucket="waterhole-uploads", Key="mine", Body=b"")


async def test_filer_behind_s3_refuses_unsigned_requests(servers):
    async with s3_client(servers) as client:
        await client.put_object(Bucket="waterhole-uploads", Key="private", Body=b"content")
    ports = json.loads((servers.folder.path / "ports.json").read_text())
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{ports['filer.port']}/buckets/waterhole-uploads/private"
        async with session.get(url) as response:
            assert response.status == 401
        async with session.put(url, data=b"forged") as response:
            assert response.status == 401


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")
@pytest.mark.parametrize("name", SERVERS)
def test_all_sockets_are_on_loopback(servers, name):
    addresses = listening_addresses(servers.pid_of(name))
    assert addresses
    assert addresses <= LOOPBACK


async def test_a_second_run_on_the_same_folder_is_refused(servers):
    with pytest.raises(DataFolderInUseError, match="stop it first"):
        async with embedded_servers(servers.folder.path):
            pass


def test_only_the_owner_can_read_secrets(servers):
    folder = servers.folder.path
    assert folder.stat().st_mode & 0o077 == 0
    for name in ("secrets.json", "s3.json"):
        assert (folder / name).stat().st_mode & 0o077 == 0


async def test_data_survives_a_restart_and_processes_and_sockets_do_not(tmp_path):
    async with embedded_servers(tmp_path) as first:
        async with s3_client(first) as client:
            await client.put_object(Bucket="waterhole-results", Key="kept", Body=b"x" * 100_000)
        mongodb = AsyncIOMotorClient(first.mongodb)
        await mongodb["waterhole"]["things"].insert_one({"_id": "kept"})
        mongodb.close()
        pids = [first.pid_of(name) for name in SERVERS]
        ports = json.loads((tmp_path / "ports.json").read_text())
        broker_port = int(first.kafka.partition(":")[2])
    assert not any(is_alive(pid) for pid in pids)
    assert all(is_free(port) for port in [*ports.values(), broker_port])
    assert [path for port in ports.values() for path in LOCAL_SOCKETS.glob(f"seaweedfs-*-{port}.sock")] == []
    async with embedded_servers(tmp_path) as second:
        assert (second.s3, second.mongodb) == (first.s3, first.mongodb)
        async with s3_client(second) as client:
            response = await client.get_object(Bucket="waterhole-results", Key="kept")
            assert await response["Body"].read() == b"x" * 100_000
        mongodb = AsyncIOMotorClient(second.mongodb)
        assert await mongodb["waterhole"]["things"].find_one({}) == {"_id": "kept"}
        mongodb.close()


@pytest.mark.parametrize("name", ["mongodb", "s3"])
async def test_killed_server_restarts_with_its_data_on_the_same_port(tmp_path, name):
    async with embedded_servers(tmp_path) as servers:
        async with s3_client(servers) as client:
            await client.put_object(Bucket="waterhole-results", Key="kept", Body=b"content")
        mongodb = AsyncIOMotorClient(servers.mongodb)
        await mongodb["waterhole"]["things"].insert_one({"_id": "kept"})
        pid = servers.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        await servers.until_replaced(name, pid)
        async with s3_client(servers, retries={"max_attempts": 10, "mode": "standard"}) as client:
            response = await client.get_object(Bucket="waterhole-results", Key="kept")
            assert await response["Body"].read() == b"content"
        assert await mongodb["waterhole"]["things"].find_one({}) == {"_id": "kept"}
        mongodb.close()
