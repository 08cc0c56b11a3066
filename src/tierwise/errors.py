"""One exception tree; every error says what was asked, what is there, and what to do.

TierwiseError                1  failed
├── UserError                2  usage, config or contract
│   ├── UsageError              a verb was asked for something that cannot be
│   ├── ConfigError             a YAML file of the workspace
│   └── ContractError           the tables
│       └── TablesRefused       what is at fault in them, file by file
├── VerdictError             3  a gate refused, or there is no usable model
│   ├── GateRefused
│   └── NoUsableModel
├── LockHeld                 4  another run holds the lock
├── EnvironmentFault         5  disk, registry, permissions
│   └── BundleError             a model bundle is damaged or of another kind
├── RunHeld                  6  a person must release the run
└── InputsLate               7  inputs are late or short
"""

from __future__ import annotations

from typing import Any


class TierwiseError(Exception):
    """The root of the tree.

    Parameters
    ----------
    asked : what was asked for, as one clause.
    found : what is there instead, as one clause.
    do : what the reader can do about it, as one sentence.
    where : file, line and column, as far as they are known ("models/a/model.yaml:12").
    """

    exit_code = 1

    def __init__(self, asked: str, *, found: str = "", do: str = "", where: str = "") -> None:
        self.asked, self.found, self.do, self.where = asked, found, do, where
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.asked}" if self.where else self.asked
        sentences = [f"{head.rstrip('.')}: {self.found.rstrip('.')}" if self.found else head.rstrip(".")]
        if self.do:
            sentences.append(self.do.rstrip("."))
        return ". ".join(sentences) + "."


class UserError(TierwiseError):
    """Something the caller can mend."""

    exit_code = 2


class UsageError(UserError):
    """A verb was asked for something that cannot be."""


class ConfigError(UserError):
    """A file of the workspace says something that cannot be."""


class ContractError(UserError):
    """The tables do not keep the data contract."""


class TablesRefused(ContractError):
    """Tables were read, and something in them refuses them.

    Parameters
    ----------
    seen : the `data.Inspection`: the counts, the quarantine and the findings.
    """

    def __init__(self, asked: str, seen: Any) -> None:
        super().__init__(asked)
        self.seen = seen


class VerdictError(TierwiseError):
    """The work was done, and its verdict is no."""

    exit_code = 3


class GateRefused(VerdictError):
    """The gate refused a promotion."""


class NoUsableModel(VerdictError):
    """Nothing in this history can be learned well enough to be used.

    Parameters
    ----------
    answer : the `jobs.Answer` of a training: its page, what would help, and what is live meanwhile.
    """

    def __init__(self, asked: str, *, found: str = "", do: str = "", where: str = "", answer: Any = None) -> None:
        super().__init__(asked, found=found, do=do, where=where)
        self.answer = answer


class LockHeld(TierwiseError):
    """Another run holds the lock of this plan."""

    exit_code = 4


class EnvironmentFault(TierwiseError):
    """Disk, registry or permissions."""

    exit_code = 5


class BundleError(EnvironmentFault):
    """A model bundle is damaged, or not a bundle."""


class RunHeld(TierwiseError):
    """A person must release this run.

    Parameters
    ----------
    run_id : the run's id. held : the `governance.Braking` of it: what it would move, and the limits.
    """

    exit_code = 6

    def __init__(
        self, asked: str, *, found: str = "", do: str = "", where: str = "", run_id: str = "", held: Any = None
    ) -> None:
        super().__init__(asked, found=found, do=do, where=where)
        self.run_id, self.held = run_id, held


class InputsLate(TierwiseError):
    """Inputs are late or short; try again."""

    exit_code = 7
