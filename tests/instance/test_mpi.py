"""Programs of others that speak PMI-1: MPICH's start without any launcher but ours."""

import shutil
import subprocess

import pytest

from .conftest import jobspec

PROGRAM = r"""
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int rank, size, sum = 0, token = -1;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Sendrecv(&rank, 1, MPI_INT, (rank + 1) % size, 0, &token, 1, MPI_INT, (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    printf("rank %d of %d: sum %d, left %d\n", rank, size, sum, token);
    MPI_Finalize();
    return 0;
}
"""


@pytest.fixture
def program(tmp_path):
    compiler = shutil.which("mpicc.mpich") or shutil.which("mpicc")
    if compiler is None:
        pytest.skip("no mpicc of MPICH (Debian: libmpich-dev)")
    version = subprocess.run([compiler, "-show"], capture_output=True, text=True, check=False).stdout
    if "mpich" not in version:
        pytest.skip("mpicc is not MPICH's; Open MPI needs PMIx")
    source = tmp_path / "ring.c"
    source.write_text(PROGRAM)
    subprocess.run([compiler, "-o", tmp_path / "ring", source], check=True)
    return str(tmp_path / "ring")


@pytest.mark.parametrize("shape", [{"slots": 4}, {"nodes": 2, "slots": 2}], ids=["one host", "two hosts"])
def test_an_mpich_program_finds_its_ranks(server, program, shape):
    one = server("--test-size", str(shape.get("nodes", 1)), "--cores", "4")
    jobid = one.submit(jobspec(program, **shape))
    assert one.result(jobid)["waitstatus"] == 0
    text = "".join(
        event["context"].get("data", "") for event in one.events(jobid, "guest.output") if event["name"] == "data"
    )
    assert sorted(text.splitlines()) == [f"rank {rank} of 4: sum 6, left {(rank - 1) % 4}" for rank in range(4)]
