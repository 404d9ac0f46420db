"""Small files packed into an archive, and out of it again, so that nothing is lost on the way. Touches those files.

A file is removed only after the archive is on the disk, was read back, and holds what the file held; and only while the file is
still the one that was packed. Names are relative to the mount; every folder on the way is opened without following a link,
because whoever owns one may put a link in its place at any moment. Times of files come back to the second.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import gzip
import hashlib
import io
import os
import stat
import tarfile
from contextlib import contextmanager

LABELS = frozenset({"security.selinux"})  # given by the system, not by whoever made the file
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK_BYTES = 1 << 16


@contextmanager
def folder_of(mount, name):
    """Open the folder that a name lies in, step by step from the mount."""
    handle = os.open(mount, FOLDER)
    try:
        for part in filter(None, os.path.dirname(name).split("/")):
            below = os.open(part, FOLDER, dir_fd=handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def stamp(status):
    """Return what is another when a file was changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def pack(mount, names, archive):
    """Pack files into a new archive and read it back.

    Args:
        mount: where the names begin.
        names: of the files; those that are gone, or are no plain files, are passed over.
        archive: path of the archive; its folder has to be there.

    Returns:
        name -> stamp of the files that the archive is known to hold.
    """
    stamps, digests = {}, {}
    with os.fdopen(os.open(archive, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed, _writing(packed) as tar:
            for name in names:
                try:
                    content, status = _read(mount, name)
                except OSError:
                    continue
                if content is not None:
                    tar.addfile(_described(name, status), io.BytesIO(content))
                    stamps[name], digests[name] = stamp(status), hashlib.sha256(content).digest()
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(os.path.dirname(archive))
    return {name: stamps[name] for name, digest in _contents(archive) if digests.get(name) == digest}


def _writing(packed):
    return tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")


def _read(mount, name):
    """Return content and status of a file; no content of what an archive would not hold in full."""
    with folder_of(mount, name) as folder:
        handle = os.open(os.path.basename(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or not LABELS.issuperset(os.listxattr(handle)):
            return None, status
        content = stream.read(status.st_size + 1)
        whole = len(content) == status.st_size and stamp(os.fstat(handle)) == stamp(status)
        return (content if whole else None), status


def _described(name, status):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    return info


def _contents(archive):
    """Yield name and digest of everything that an archive holds, as it is on the disk."""
    with tarfile.open(archive, "r|gz", encoding="utf-8", errors="surrogateescape") as tar:
        for info in tar:
            digest, stream = hashlib.sha256(), tar.extractfile(info)
            while piece := stream.read(CHUNK_BYTES):
                digest.update(piece)
            yield info.name, digest.digest()


def remove(mount, stamps, used):
    """Remove packed files, each only if it still is what was packed and nobody has it open.

    Args:
        mount: where the names begin.
        stamps: name -> stamp, as `pack` returned them.
        used: identities of what is open.

    Returns:
        How many were removed.
    """
    count = 0
    for name, expected in stamps.items():
        try:
            with folder_of(mount, name) as folder:
                status = os.stat(os.path.basename(name), dir_fd=folder, follow_symlinks=False)
                if stamp(status) == expected and (status.st_dev, status.st_ino) not in used:
                    os.unlink(os.path.basename(name), dir_fd=folder)
                    count += 1
        except OSError:
            continue
    return count


def unpack(mount, archive, has_room, *, dry_run=False):
    """Put everything back that is not there any more; where its folder is gone, somebody wanted it so.

    Args:
        mount: where the names begin.
        archive: path of the archive.
        has_room: is asked before each file; the rest stays in the archive once it says no.
        dry_run: only count.

    Returns:
        How many files were put back.
    """
    count = 0
    with tarfile.open(archive, "r|gz", encoding="utf-8", errors="surrogateescape") as tar:
        for info in tar:
            if not has_room():
                break
            content = tar.extractfile(info).read()
            try:
                with folder_of(mount, info.name) as folder:
                    count += _put(folder, info, content, dry_run=dry_run)
            except (FileNotFoundError, NotADirectoryError, FileExistsError):
                continue
    return count


def _put(folder, info, content, *, dry_run):
    name = os.path.basename(info.name)
    if dry_run:
        return name not in os.listdir(folder)
    handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(handle, info.uid, info.gid)
            os.fchmod(handle, info.mode)
            os.utime(handle, (info.mtime, info.mtime))
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    return 1


def _sync_folder(path):
    handle = os.open(path, FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
