"""A folder in an object storage, or on any other file system that pyarrow knows (`s3://`, `gs://`, `file:///`)."""

from __future__ import annotations

from typing import Any

from mersearch.errors import RunError


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

    Raises:
        RunError: no such kind of address, or one with a secret in it.
    """

    def __init__(self, address: str) -> None:
        from pyarrow import fs

        self.address = below(address)
        if "@" in self.address.partition("://")[2].partition("/")[0]:
            raise RunError(
                "the address of a mirror is stored and shown, so it holds no secret",
                received=f"{address.partition('://')[0]}://…@…",
                fix="give keys through the environment: AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, …",
            )
        try:
            self._files, self._root = fs.FileSystem.from_uri(self.address)
        except (OSError, ValueError, ImportError) as error:
            raise RunError(
                "a mirror is an object storage or a folder, by its address",
                received=f"{address}: {_first(error)}",
                fix="s3://bucket/folder, gs://bucket/folder or file:///folder",
            ) from error

    def put(self, name: str, data: bytes) -> None:
        """Write one object, whole or not at all where the storage does so; OSError where it cannot be."""
        path = f"{self._root}/{name}"
        if self._files.type_name == "local":
            self._files.create_dir(path.rpartition("/")[0], recursive=True)
        with self._files.open_output_stream(path) as stream:
            stream.write(data)

    def get(self, name: str) -> bytes:
        """The content of one object; OSError where there is none."""
        with self._files.open_input_stream(f"{self._root}/{name}") as stream:
            data: bytes = stream.read()
        return data

    def names(self) -> list[str]:
        """Of all objects, sorted; OSError where the storage does not answer."""
        from pyarrow import fs

        chosen = fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        found: list[Any] = self._files.get_file_info(chosen)
        return sorted(
            info.path.removeprefix(f"{self._root}/") for info in found if info.type == fs.FileType.File
        )


def _first(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
