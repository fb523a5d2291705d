"""Slurm's accounting on this machine: MariaDB and slurmdbd from Debian's packages, for `sacct`."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db")
PACKAGES = ("slurmdbd", "mariadb-server")
SLURM_CONF = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
"""
_PORT = 16820
_SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=16819
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port}
StorageUser=root
StorageLoc=slurm_acct_db
"""


def write_configuration(folder: Path) -> None:
    """Write slurmdbd.conf, which slurmdbd wants to be its user's alone."""
    file = folder / "slurmdbd.conf"
    file.write_text(_SLURMDBD_CONF.format(folder=folder, port=_PORT))
    file.chmod(0o600)


def start_database(folder: Path, wait_for: Callable[[Callable[[], bool], str, float], None]) -> None:
    """Start a MariaDB with nothing in it that everyone on this machine may write to."""
    data = folder / "database"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"]
    subprocess.run(install, check=True, timeout=120, stdout=subprocess.DEVNULL)
    options = [
        *("--no-defaults", "--user=root", "--skip-grant-tables", "--innodb-lock-wait-timeout=900"),
        *(f"--datadir={data}", f"--socket={folder}/mariadbd.sock", f"--pid-file={folder}/mariadbd.pid"),
        *("--bind-address=127.0.0.1", f"--port={_PORT}", f"--log-error={folder}/log/mariadbd.log"),
    ]
    path = f"{os.environ['PATH']}:/usr/sbin"
    subprocess.Popen([shutil.which("mariadbd", path=path), *options], start_new_session=True)
    wait_for(lambda: (folder / "mariadbd.sock").exists(), "the database to start", 60)


def start_slurmdbd(wait_for: Callable[[Callable[[], bool], str, float], None]) -> None:
    """Start slurmdbd and wait until it answers."""
    subprocess.run(["/usr/sbin/slurmdbd"], check=True, timeout=60)
    wait_for(_answers, "slurmdbd to answer", 60)


def _answers() -> bool:
    command = ["sacctmgr", "--noheader", "show", "cluster"]
    return subprocess.run(command, check=False, timeout=60, capture_output=True).returncode == 0
