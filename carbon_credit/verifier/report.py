"""What verification found, for machines and for people."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the file contradicts itself or the computation.

    `leaf` is the number of a reduction in reductions.csv.gz, from 1; None where it is about a whole file.
    """

    file: str
    field: str
    expected: str
    found: str
    leaf: int | None = None


class Differs(Exception):
    """Carries a difference up to `check_dossier`; never leaves the package."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference
        super().__init__(difference)


def differs(file: str, name: str, *, expected: object, found: object, leaf: int | None = None) -> Differs:
    """The exception to raise; long and hostile values are cut and made printable."""
    return Differs(Difference(file, name, _shown(expected), _shown(found), leaf))


SIGNER_CHECKED = "checked"
SIGNER_NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class Report:
    """`difference` is None when all that can be checked agrees. Milligrams and tonnes are as recomputed."""

    difference: Difference | None
    signer: str = SIGNER_NOT_CHECKED
    edition: str = ""
    programme: str = ""
    rehearsal: bool = False
    batch: str = ""
    merkle_root: str = ""
    leaves: int = 0
    batch_mg: int = 0
    tonnes: int = 0
    serials: tuple[str, str] | None = None
    checked: tuple[str, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        return self.difference is None

    def as_dict(self) -> dict[str, object]:
        """JSON-able, with `ok`."""
        return {"ok": self.ok, **asdict(self)}

    def text(self, language: str) -> str:
        """A few lines for a person; `language` is "zh" or "en"."""
        chinese = language == "zh"
        lines = [self._verdict(chinese), self._signer(chinese)]
        if self.ok:
            lines.append(self._contents(chinese))
        return "\n".join(lines)

    def _verdict(self, chinese: bool) -> str:
        at = self.difference
        if at is None:
            return "未发现差异。" if chinese else "No difference found."
        place = at.file
        if at.leaf is not None:
            place += f"，第 {at.leaf} 条" if chinese else f", leaf {at.leaf}"
        if chinese:
            return f"首个差异：{place}，{at.field}：应为 {at.expected}，实为 {at.found}。"
        return f"First difference: {place}, {at.field}: expected {at.expected}, found {at.found}."

    def _signer(self, chinese: bool) -> str:
        if self.signer == SIGNER_CHECKED:
            return "签名有效，与所给公钥一致。" if chinese else "The signature is valid for the given key."
        if chinese:
            return "未核对签名人：请用 --key 提供运营方公钥。"
        return "The signer was not checked: give the operator's public key with --key."

    def _contents(self, chinese: bool) -> str:
        mark = ("演练 " if chinese else "REHEARSAL, ") if self.rehearsal else ""
        serials = f" {self.serials[0]} .. {self.serials[1]}" if self.serials else ""
        if chinese:
            return (
                f"{mark}{self.programme} 批次 {self.batch}：{self.leaves} 条减排量，{self.tonnes} 吨{serials}"
            )
        return (
            f"{mark}{self.programme}, batch {self.batch}: {self.leaves} reductions, {self.tonnes} t{serials}"
        )


def _shown(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    printable = "".join(c if c.isprintable() else "�" for c in text[:200])
    return printable + ("…" if len(text) > 200 else "")
