"""Many reads at once that fail or are cancelled: no task continues afterwards, and no memory is held."""

import asyncio
import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from science.simulator import make_header, write_fil, write_h5
from shared.content import Content
from shared.errors import TransientError
from shared.filterbank import BlobSource, read_block, read_header
from shared.filterbank.fetch import THREAD_BYTES, beside, for_each

PATIENCE_S = 60.0
NOISE = np.random.default_rng(1).gamma(51.0, size=(8, 2**18)).astype(np.float32)


@pytest.fixture
def no_collector():
    """Disable the garbage collector, so that memory is freed only when the last reference to it is gone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Reading:
    """A read of an array in pieces, like those of a file. `work` holds the array and calls `act`."""

    def __init__(self, act):
        self._act = act
        self.block = None

    async def read(self):
        block = np.zeros(1000)
        self.block = weakref.ref(block)

        async def work(piece, _scratch):
            await self._act(piece)
            block[piece] = piece

        await for_each(range(20), work, at_once=4)
        return block


async def error_of(reading):
    """Return the error of a read as text, because the error object would keep alive everything that it refers to."""
    try:
        await reading
    except (TransientError, asyncio.CancelledError) as error:
        return f"{type(error).__name__}: {error}"
    return None


async def fail_one(piece):
    await asyncio.sleep(0)
    if piece == 6:
        raise TransientError("Piece 6 is away.")


async def fail_all(_piece):
    await asyncio.sleep(0)
    raise TransientError("All are away.")


async def fail_for_a_reason(_piece):
    try:
        raise OSError("reset by peer")
    except OSError as error:
        raise TransientError("Storage is away.") from error


async def fail_to_decode(_piece):
    def decode():
        raise TransientError("As if a thread were away.")

    await beside(THREAD_BYTES, decode)


@pytest.mark.parametrize("act", [fail_one, fail_all, fail_for_a_reason, fail_to_decode])
async def test_nothing_holds_the_array_of_a_failed_read(act, no_collector):
    reading = Reading(act)
    assert (await error_of(reading.read())).endswith("away.")
    # The event loop may not have processed the end of the last task yet, and holds it until then.
    await asyncio.sleep(0)
    assert reading.block() is None


async def test_a_failure_is_raised_as_itself_and_not_as_a_group():
    with pytest.raises(TransientError, match="Storage is away") as raised:
        await Reading(fail_for_a_reason).read()
    assert isinstance(raised.value.__cause__, OSError)
    names = [entry.name for entry in raised.traceback]
    assert "fail_for_a_reason" in names


@pytest.fixture
async def complaints():
    """Return the errors that the event loop reports: failures that were never retrieved."""
    said, loop = [], asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: said.append(context["message"]))
    yield said
    loop.set_exception_handler(None)


async def test_the_event_loop_does_not_report_failures_after_the_first(complaints):
    assert (await error_of(Reading(fail_all).read())).endswith("away.")
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_piece_that_cancels_itself_does_not_count_as_read():
    async def act(piece):
        if piece == 6:
            # This happens when a client that is closed cancels its own requests.
            raise asyncio.CancelledError

    assert (await error_of(Reading(act).read())).startswith("CancelledError")


async def test_nothing_holds_the_array_of_a_cancelled_read(no_collector):
    begun = asyncio.Event()

    async def hang(_piece):
        begun.set()
        await asyncio.Event().wait()

    reading = Reading(hang)
    task = asyncio.create_task(error_of(reading.read()))
    await begun.wait()
    task.cancel()
    assert (await task).startswith("CancelledError")
    assert reading.block() is None


class Decode:
    """A decoder that runs in its thread until a test lets it end."""

    def __init__(self, error=None):
        self._error = error
        self.begun, self.may_end, self.has_ended = threading.Event(), threading.Event(), False

    def __call__(self):
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        self.has_ended = True
        if self._error is not None:
            raise self._error


async def is_begun(decode):
    assert await asyncio.to_thread(decode.begun.wait, PATIENCE_S)


@pytest.mark.parametrize("error", [None, ValueError("damaged")])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_caller_waits_for_the_piece_being_decoded(times, error, complaints):
    decode = Decode(error)
    task = asyncio.create_task(beside(THREAD_BYTES, decode))
    await is_begun(decode)
    for _ in range(times):
        task.cancel()
        await asyncio.wait([task], timeout=0.02)
    assert not task.done()
    decode.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert decode.has_ended
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.parametrize("n_bytes", [1, THREAD_BYTES])
async def test_an_error_of_the_decoder_is_raised(n_bytes):
    decode = Decode(ValueError("damaged"))
    decode.may_end.set()
    with pytest.raises(ValueError, match="damaged"):
        await beside(n_bytes, decode)


async def test_a_cancelled_caller_gets_the_cancellation_and_not_a_simultaneous_failure(complaints):
    begun = asyncio.Event()

    async def act(_piece):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise TransientError("The request did not end well.")

    task = asyncio.create_task(error_of(Reading(act).read()))
    await begun.wait()
    task.cancel()
    assert (await task).startswith("CancelledError")
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_failing_piece_waits_for_those_being_decoded(no_collector):
    decode = Decode()

    async def act(piece):
        if piece == 0:
            await beside(THREAD_BYTES, decode)
        else:
            await is_begun(decode)
            raise TransientError("Storage is away.")

    reading = Reading(act)
    task = asyncio.create_task(error_of(reading.read()))
    await is_begun(decode)
    await asyncio.wait([task], timeout=0.02)
    assert not task.done()
    assert reading.block() is not None
    decode.may_end.set()
    assert (await task).endswith("away.")
    assert reading.block() is None


class Breaking:
    """A bucket with one object. After a given number of bytes, its reads fail or wait for ever."""

    def __init__(self, raw):
        self._raw = raw
        self.left = None
        self.hangs = False
        self.is_stuck = asyncio.Event()

    async def content(self, _key):
        return Content(len(self._raw), None)

    async def get_range(self, _key, start, length, _etag=None):
        await asyncio.sleep(0)
        if self.left is not None:
            self.left -= length
            if self.left < 0:
                self.is_stuck.set()
                if self.hangs:
                    await asyncio.Event().wait()
                raise TransientError("Storage is away.")
        return self._raw[start : start + length]

    async def get_range_into(self, key, start, buffer, _etag=None):
        raw = await self.get_range(key, start, len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)


def shaped(path, header, power):
    if path.suffix == ".fil":
        write_fil(path, header, power)
    else:
        write_h5(path, header, power, bitshuffle=True)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["o.fil", "o.h5"])
@pytest.mark.parametrize("hangs", [False, True])
async def test_the_array_of_a_file_that_can_not_be_read_is_freed_at_once(tmp_path, no_collector, name, hangs):
    """Check that repeated reads that fail or are cancelled halfway take no more memory than the first."""
    made = make_header(2**18, 8)
    bucket = Breaking(shaped(tmp_path / name, made, NOISE))
    source = BlobSource(bucket, "key", name)
    header, _ = await read_header(source)
    assert np.array_equal(await read_block(source, header, 0, 2**18), NOISE)
    bucket.hangs = hangs
    tracemalloc.start()
    try:
        for _ in range(3):
            bucket.left = 2**20
            bucket.is_stuck.clear()
            task = asyncio.create_task(error_of(read_block(source, header, 0, 2**18)))
            await bucket.is_stuck.wait()
            if hangs:
                task.cancel()
            assert await task is not None
            del task
            # A thread releases what it decoded a moment after it has reported its end.
            async with asyncio.timeout(PATIENCE_S):
                while tracemalloc.get_traced_memory()[0] >= 2**20:  # noqa: ASYNC110 -- another thread changes this
                    await asyncio.sleep(0.001)
    finally:
        tracemalloc.stop()
