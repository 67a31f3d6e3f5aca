"""The bodies of answers about example observations."""

from pydantic import Field

from services.gateway.api.answers import Answer


class Example(Answer):
    """An observation to try the service with."""

    name: str = Field(description="Its name in POST /examples/{name}.")
    filename: str
    size: int = Field(description="Size of the file, bytes.")
    description: str = Field(description="A sentence about what is in it.")


class Examples(Answer):
    """The observations that this service has to try it with."""

    examples: list[Example]


class ExampleCopied(Answer):
    """An example was copied to an upload of yours."""

    file_key: str = Field(description="Identifies the file in POST /analyze.")
    filename: str
