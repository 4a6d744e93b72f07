"""Every error the product raises on purpose, as one tree.

Exit codes and retry policy hang on the tree, so a new error chooses its parent with care::

    CycleQDError                      70  a fault of ours
    +-- InputError                    78  what the user wrote cannot run; a retry cannot help
    |   +-- ManifestError                 one or more fields of the manifest
    |   +-- CheckpointError               a base or expert checkpoint that does not fit
    |   +-- DatasetError                  a task's items
    |   +-- RunMismatch                   the store holds another run than the manifest describes
    |   +-- ConditionalWritesUnsupported  the S3 server ignores ``If-None-Match: *``
    +-- StoreError                    74  reading or writing the store
    |   +-- ObjectNotFound                no object of that key
    |   +-- StoreCorrupt                  an object whose checksum or content is wrong
    |   +-- StoreFull                     disk full, quota reached
    |   +-- StoreRefused                  it answers and refuses: bucket, region, certificate
    |   |   +-- StoreDenied               credentials missing, wrong, or without a right
    |   +-- StoreUnavailable          75  unreachable after all retries; may succeed later
    +-- ServiceUnavailable        75  a tracking server, registry or hub; may succeed later
    +-- SlotError                     65  this worker's machine is broken (engine, device, sandbox)
    |   +-- EngineError                   the inference engine failed
    |   +-- SandboxUnavailable            generated code cannot be contained here
    +-- CandidateError                70  one candidate cannot be evaluated; recorded
    +-- RunFailed                      1  the run gave up (a lost expert, a crash loop)
    |   +-- TooManyFailedCandidates       more than ``maxFailedCandidates``
    +-- VerificationError              1  something stored differs from what is recomputed

The codes are those of ``sysexits.h`` where it has one (65 EX_DATAERR, 70 EX_SOFTWARE,
74 EX_IOERR, 75 EX_TEMPFAIL, 78 EX_CONFIG).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class CycleQDError(Exception):
    """Root of all errors raised on purpose; ``exit_code`` is the process's exit status."""

    exit_code: ClassVar[int] = 70


class InputError(CycleQDError):
    """What the user wrote cannot run."""

    exit_code = 78


class ManifestError(InputError):
    """One or more problems of a manifest.

    Attributes:
        problems: one line each, ``<field path>: <what is wrong, the value, the remedy>``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class CheckpointError(InputError):
    """A checkpoint that cannot be read or does not fit the base model."""


class DatasetError(InputError):
    """A task's items cannot be read or do not have the fields the task needs."""

    @property
    def problems(self) -> tuple[str, ...]:
        """One line each, with file, line, field and remedy where they have these."""
        return tuple(str(self).split("\n"))


class RunMismatch(InputError):
    """The store holds a run that this manifest may not continue."""


class ConditionalWritesUnsupported(InputError):
    """The S3 server does not honour ``If-None-Match: *``, on which the store's safety rests."""


class StoreError(CycleQDError):
    """The store failed."""

    exit_code = 74


class ObjectNotFound(StoreError):
    """No object has this key."""


class StoreCorrupt(StoreError):
    """An object's bytes are not those that were written."""


class StoreFull(StoreError):
    """No space is left, or a quota is reached."""


class StoreRefused(StoreError):
    """The store answers, and refuses what it is asked for until something is set right."""


class StoreDenied(StoreRefused):
    """The credentials are missing, not accepted, or lack a right; others may do."""


class StoreUnavailable(StoreError):
    """The store could not be reached after all retries."""

    exit_code = 75


class ServiceUnavailable(CycleQDError):
    """A server beside the store (tracking, registry, hub) does not answer; it may later."""

    exit_code = 75


class SlotError(CycleQDError):
    """This worker's machine cannot work; another one may."""

    exit_code = 65


class EngineError(SlotError):
    """The inference engine failed to start or to generate."""


class SandboxUnavailable(SlotError):
    """Generated code cannot be contained on this machine."""


class CandidateError(CycleQDError):
    """One candidate cannot be evaluated; its result records the cause."""


class RunFailed(CycleQDError):
    """The run gave up; the message names the cause and how to go on."""

    exit_code = 1


class TooManyFailedCandidates(RunFailed):
    """More candidates could not be evaluated than the manifest allows."""


class VerificationError(CycleQDError):
    """Something stored differs from what is recomputed from its inputs."""

    exit_code = 1
