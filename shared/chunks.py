"""Chunks: the runs of channels that an observation is cut into, and the plan by which it is cut."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.event_fields import MAX_CHUNKS, ChunkCount
from shared.header import MAX_CHANNELS
from shared.polarisations import FIRST_IF, IfsOfChunk, IfsOfSearches

Channel = Annotated[int, Field(ge=0, le=MAX_CHANNELS)]


class Record(BaseModel):
    """A frozen part of an event; fields that a later producer adds are ignored.

    Numbers are finite: JSON has no others, so no consumer could read an event with NaN or infinity.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Chunk(Record):
    """A run of fine channels that one worker searches.

    The chunk owns `[start_channel, stop_channel)` and reads `[read_start_channel, read_stop_channel)`: more by the
    widest drift path on either side (clipped at the file's ends), so that a signal that crosses an edge is complete.
    """

    index: int = Field(ge=0, lt=MAX_CHUNKS)
    count: ChunkCount
    start_channel: Channel
    stop_channel: Channel
    read_start_channel: Channel
    read_stop_channel: Channel
    ifs: IfsOfChunk = FIRST_IF

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if not self.index < self.count:
            raise ValueError(f"index {self.index} of {self.count} chunks")
        if not self.read_start_channel <= self.start_channel < self.stop_channel <= self.read_stop_channel:
            raise ValueError("the channels that the chunk owns are empty, or not among those that it reads")
        return self

    @property
    def channels(self) -> range:
        """The channels that the chunk owns."""
        return range(self.start_channel, self.stop_channel)


class ChunkPlan(Record):
    """How an observation is cut into chunks, and how many of them are in progress at a time.

    The channels are divided into strides of `stride_channels`, the last of which ends with the file. Each stride is cut
    into `parts` that are as equal as whole channels allow. Any chunk follows from its index, so an event stays small
    for any number of chunks. Where several IFs are searched, the chunks of all channels repeat for each.
    """

    n_channels: int = Field(ge=1, le=MAX_CHANNELS)
    count: ChunkCount = Field(description="Chunks of the observation.")
    stride_channels: int = Field(ge=1, le=MAX_CHANNELS)
    parts: int = Field(ge=1, le=MAX_CHANNELS)
    overlap_channels: int = Field(
        # The path, its smear within a spectrum, and a margin.
        ge=0,
        le=4 * MAX_CHANNELS,
        description="Channels that a chunk reads in addition to its own on either side.",
    )
    lanes: ChunkCount = Field(
        default=1,
        description="Number of chunks announced at the start; after chunk i, chunk i + lanes is announced.",
    )
    searches: IfsOfSearches = (FIRST_IF,)

    @model_validator(mode="after")
    def _covers_the_channels(self) -> Self:
        of_one_if, rest = divmod(self.count, len(self.searches))
        if rest or not self.edge(of_one_if - 1) < self.n_channels == self.edge(of_one_if):
            raise ValueError(f"{self.count} chunks do not end with channel {self.n_channels}")
        return self

    def edge(self, index: int) -> int:
        """Return the first channel of a chunk of the first search; for the index after its last, all channels."""
        stride, part = divmod(index, self.parts)
        return min(self.n_channels, stride * self.stride_channels + self.stride_channels * part // self.parts)

    def chunk(self, index: int) -> Chunk:
        """Return the chunk of an index."""
        search, place = divmod(index, self.count // len(self.searches))
        start, stop = self.edge(place), self.edge(place + 1)
        return Chunk(
            index=index,
            count=self.count,
            start_channel=start,
            stop_channel=stop,
            read_start_channel=max(0, start - self.overlap_channels),
            read_stop_channel=min(self.n_channels, stop + self.overlap_channels),
            ifs=self.searches[search],
        )

    def ends_lane(self, index: int) -> bool:
        """Return whether the chunk is the last of its lane."""
        return index + self.lanes >= self.count
