"""A folder in an object storage, or on any other file system that pyarrow knows (`s3://`, `gs://`, `file:///`)."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

from mersearch.errors import RunError

SECRET: Final = re.compile(r"secret|password|token|key|^sig$", re.IGNORECASE)
"""In the name of an option of an address."""
PASSWORD: Final = re.compile(r"://[^/@?]*:.*@", re.DOTALL)
"""`user:password@` in an address; keys of a storage may hold `/` and `?` themselves."""


def below(address: str, *names: str) -> str:
    """The address of a folder below another one; what follows a `?` stays at the end.

    >>> below("s3://bucket/runs/?region=eu-west-1", "first")
    's3://bucket/runs/first?region=eu-west-1'
    """
    place, mark, options = address.partition("?")
    return "/".join((place.rstrip("/"), *names)) + mark + options


class Bucket:
    """Objects below an address.

    Args:
        address: `s3://bucket/folder` and the like. Who may write there, and where a storage is that is not the
            provider's own (`AWS_ENDPOINT_URL`), is up to the environment, as for any tool of the storage.

    A storage that is away is asked for again whenever something is put or read.

    Raises:
        RunError: no such kind of address, or one with a secret in it.
    """

    def __init__(self, address: str) -> None:
        self.address = below(address)
        _require_no_secret(self.address)
        self._opened: tuple[Any, str] | None = None
        with contextlib.suppress(OSError):
            self._open()

    def _open(self) -> tuple[Any, str]:
        """The file system, and the folder in it.

        Raises:
            OSError: the storage is away, which had to say in which region it is.
            RunError: no such kind of address.
        """
        from pyarrow import fs

        if self._opened is None:
            try:
                self._opened = fs.FileSystem.from_uri(self.address)
            except (ValueError, ImportError, NotImplementedError) as error:
                raise RunError(
                    "a mirror is an object storage or a folder, by its address",
                    received=f"{_shown(self.address, self.address)}: {_shown(self.address, _first(error))[:200]}",
                    fix="s3://bucket/folder, gs://bucket/folder or file:///folder",
                ) from error
        return self._opened

    def put(self, name: str, data: bytes) -> None:
        """Write one object, whole or not at all where the storage does so; OSError where it cannot be."""
        files, root = self._open()
        path = f"{root}/{name}"
        if files.type_name == "local":
            files.create_dir(path.rpartition("/")[0], recursive=True)
        with files.open_output_stream(path) as stream:
            stream.write(data)

    def get(self, name: str) -> bytes:
        """The content of one object; OSError where there is none, or the storage does not answer."""
        files, root = self._open()
        with files.open_input_stream(f"{root}/{name}") as stream:
            data: bytes = stream.read()
        return data

    def names(self) -> list[str]:
        """Of all objects, sorted; OSError where the storage does not answer."""
        from pyarrow import fs

        files, root = self._open()
        chosen = fs.FileSelector(root, allow_not_found=True, recursive=True)
        found: list[Any] = files.get_file_info(chosen)
        return sorted(info.path.removeprefix(f"{root}/") for info in found if info.type == fs.FileType.File)


def _options(address: str) -> list[tuple[str, str]]:
    """Name and value of what follows the `?` of an address."""
    pairs = (option.partition("=") for option in address.partition("?")[2].split("&"))
    return [(name, value) for name, _, value in pairs]


def _require_no_secret(address: str) -> None:
    """Raise RunError where an address holds a password (`user:password@`) or an option named as one."""
    kind = address.partition("://")[0]
    password = PASSWORD.search(address)
    secret = [name for name, value in _options(address) if value and SECRET.search(name)]
    if password or secret:
        raise RunError(
            "the address of a mirror is stored and shown, so it holds no secret",
            received=f"{kind}://…:…@…" if password else f"{kind}://…?{secret[0]}=…",
            fix="give keys through the environment: AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, …",
        )


def _shown(address: str, text: str) -> str:
    """A text about an address, with the values of its options and all that stands before its `@` left out."""
    for value in sorted((value for _, value in _options(address) if value), key=len, reverse=True):
        text = text.replace(f"={value}", "=…")
    owner = re.match(r"(?:\w+:/*)?(.*)@", address, re.DOTALL)
    return text.replace(f"{owner[1]}@", "…@") if owner else text


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
