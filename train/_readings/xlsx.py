"""Excel workbooks, .xlsx: a zip archive of XML, of which only the cells of a sheet are read.

Drawings, themes, links and other styles than those of dates are never looked at, so nothing in them
can be wrong. What a file states about its own size is not believed: bytes are counted as they
inflate. Source: ECMA-376, part 1 (SpreadsheetML) and part 2 (packages).
"""

from __future__ import annotations

import datetime
import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Set
from typing import Any, BinaryIO, NamedTuple
from xml.parsers import expat

from infer._files._tables.damage import FormatError, blame

# Excel's own limits: https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
MOST_ROWS, MOST_COLUMNS = 1 << 20, 1 << 14
_LONGEST_TEXT, _LONGEST_FORMAT = 32_767, 255
# A part may inflate to so many bytes, or to so many times its size if that is more: sheets of
# numbers take 5 to 30 times less room in the archive.
_MOST_INFLATED, _MOST_RATIO = 1 << 23, 50
# A thousand sheets are listed in a twentieth of it.
_LONGEST_DIRECTORY = 1 << 22
# A longer tag, or tags deeper within each other, no program writes.
_LONGEST_TAG, _DEEPEST = 1 << 20, 256
_CHUNK = 1 << 18
_ENCRYPTED = 0x1
_ENCODINGS = (None, "utf-8", "utf-16", "us-ascii", "iso-8859-1")
_WORKBOOK = "xl/workbook.xml"

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_REFERENCE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,10})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# In a number format: text, padding and colours; what is left has letters of a date, or not.
_NO_DATE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]|General', re.IGNORECASE)
_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})

_CELL_TAGS = frozenset({"sheetData", "row", "c", "v", "t", "f", "rPh"})

Attributes = dict[str, str]


class When(NamedTuple):
    """A date or time, for people: what a cell shows, its value is a number of days."""

    text: str


class Uncomputed(NamedTuple):
    """A formula without a value: no program has computed it since it was written."""

    text: str = "a formula without a value"


class Failed(NamedTuple):
    """An error value of Excel's, such as #DIV/0!."""

    text: str


Value = float | str | bool | When | Failed | Uncomputed


class SheetRow(NamedTuple):
    """A row with something in it: its number from 1, and its cells by their column from 0."""

    number: int
    cells: dict[int, Value]
    width: int


class SheetPart(NamedTuple):
    """A sheet of cells: its name, whether it is hidden, and its part of the package."""

    title: str
    hidden: bool
    path: str


class Workbook:
    """A workbook.

    Attributes:
        sheets: its sheets of cells, in order.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Open a workbook; the cells of a sheet are read by ``rows``.

        Args:
            stream: the file; stays open, and must until the rows are read.

        Raises:
            FormatError: it is none, or takes more room than any workbook.
        """
        self._package = _Package(stream)
        roots = self._package.targets("")
        path = next((to for kind, to in roots.values() if kind == "officeDocument"), _WORKBOOK)
        if path.lower().endswith(".bin"):
            raise FormatError("it is a binary workbook (.xlsb); save it as .xlsx")
        sheets, self._epoch = _workbook(self._package, path)
        parts = self._package.targets(path)
        self.sheets = [
            SheetPart(title, hidden, parts[key][1])
            for title, key, hidden in sheets
            if key in parts and parts[key][0] == "worksheet"
        ]
        if not self.sheets:
            raise FormatError("it has no sheet of cells")
        by_kind = dict(parts.values())
        self._texts = _texts(self._package, by_kind.get("sharedStrings"))
        self._dates = _date_styles(self._package, by_kind.get("styles"))

    def rows(self, sheet: SheetPart, wanted: Set[int] | None = None) -> Iterator[SheetRow]:
        """Yield the rows of a sheet that have something in them, in order.

        Args:
            sheet: one of ``sheets``.
            wanted: the columns whose cells to give; None for all.

        Raises:
            FormatError: the sheet is damaged.
        """
        reader = _CellReader(self._texts, self._dates, self._epoch, wanted)
        for _ in self._package.parse(sheet.path, reader.start, reader.end, reader.text):
            yield from reader.rows
            reader.rows.clear()


class _CellReader:
    """Puts a sheet's rows together from its XML."""

    def __init__(
        self,
        texts: list[str],
        dates: frozenset[str],
        epoch: datetime.datetime,
        wanted: Set[int] | None,
    ) -> None:
        self.rows: list[SheetRow] = []
        self._texts, self._dates, self._epoch, self._wanted = texts, dates, epoch, wanted
        self._in_data = False
        self._row = 0
        self._row_is_given = False
        self._column = -1
        self._width = 0
        self._cells: dict[int, Value] = {}
        self._cell: Attributes = {}
        self._pieces: list[str] | None = None
        self._found: list[str] = []
        self._phonetic = 0
        self._has_formula = False

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag not in _CELL_TAGS:
            return
        if tag == "c" and self._in_data:
            self._start_cell(attributes)
        elif tag in ("v", "t"):
            self._pieces = []
        elif tag == "f":
            self._has_formula = True
        elif tag == "row" and self._in_data:
            self._start_row(attributes.get("r"))
        elif tag == "sheetData":
            self._in_data = True
        elif tag == "rPh":
            self._phonetic += 1

    def text(self, piece: str) -> None:
        if self._pieces is not None:
            self._pieces.append(piece)

    def end(self, tag: str) -> None:
        if tag not in _CELL_TAGS:
            return
        if tag in ("v", "t") and self._pieces is not None:
            inline = self._cell.get("t") == "inlineStr"
            if inline == (tag == "t") and not self._phonetic:
                self._found += self._pieces
            self._pieces = None
        elif tag == "c" and self._in_data:
            self._end_cell()
        elif tag == "row" and self._in_data:
            if self._width:
                self.rows.append(SheetRow(self._row, self._cells, self._width))
        elif tag == "sheetData":
            self._in_data = False
        elif tag == "rPh":
            self._phonetic -= 1

    def _start_row(self, stated: str | None) -> None:
        self._cells, self._width, self._column = {}, 0, -1
        self._row_is_given = stated is not None
        self._go_to_row(self._row + 1 if stated is None else _whole(stated, "a row"))

    def _go_to_row(self, number: int) -> None:
        if not 1 <= number <= MOST_ROWS:
            raise FormatError(f"it has a row {number:,}; Excel's last one is {MOST_ROWS:,}")
        if number <= self._row:
            raise FormatError(f"its row {number:,} comes after row {self._row:,}")
        self._row = number

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        column = self._column + 1
        if reference is not None:
            match = _REFERENCE.fullmatch(reference)
            if match is None:
                raise FormatError(f"row {self._row:,} has a cell {reference[:20]!r}")
            column = _column_number(match[1])
            row = int(match[2])
            if row != self._row:
                if self._row_is_given or self._column >= 0:
                    raise FormatError(f"row {self._row:,} has a cell {reference}")
                self._row -= 1  # the row says no number, its cells do
                self._go_to_row(row)
        if column >= MOST_COLUMNS:
            raise FormatError(f"row {self._row:,} has more than {MOST_COLUMNS:,} columns")
        if column <= self._column:
            raise FormatError(f"row {self._row:,} has cells that are out of order")
        self._column, self._cell, self._found = column, attributes, []
        self._has_formula = False

    def _end_cell(self) -> None:
        text = "".join(self._found)[:_LONGEST_TEXT]
        self._cell, cell = {}, self._cell
        if not text and self._has_formula:
            value: Value = Uncomputed()
        elif not text and cell.get("t") != "inlineStr":
            return
        else:
            value = self._value(text, cell)
        if value == "":
            return
        self._width = self._column + 1
        if self._wanted is None or self._column in self._wanted:
            self._cells[self._column] = value

    def _value(self, text: str, cell: Attributes) -> Value:
        kind = cell.get("t", "n")
        if kind == "n":
            return self._number(text, cell.get("s", ""))
        if kind == "s":
            index = _whole(text, "a text")
            if index >= len(self._texts):
                raise FormatError(
                    f"{self._place()} is text {index:,} of {len(self._texts):,} in the workbook"
                )
            return self._texts[index]
        if kind in ("str", "inlineStr"):
            return _unescaped(text)
        if kind == "b":
            return text.strip() not in ("0", "false")
        if kind == "e":
            return Failed(text)
        if kind == "d":
            return When(text)
        raise FormatError(f"{self._place()} is of type {kind[:20]!r}")

    def _number(self, text: str, style: str) -> Value:
        plain = text.strip()
        if _NUMBER.fullmatch(plain) is None:
            raise FormatError(f"{self._place()} holds {plain[:40]!r} for a number")
        value = float(plain)
        return _when(value, self._epoch) if style in self._dates else value

    def _place(self) -> str:
        return f"cell {_column_name(self._column)}{self._row}"


def _workbook(
    package: _Package, path: str
) -> tuple[list[tuple[str, str, bool]], datetime.datetime]:
    """Return the sheets, each with the key of its part, and the day that dates count from."""
    sheets: list[tuple[str, str, bool]] = []
    epoch = datetime.datetime(1899, 12, 30)

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal epoch
        if tag == "sheet":
            keys = [value for name, value in attributes.items() if name.endswith(" id")]
            hidden = attributes.get("state", "visible") != "visible"
            sheets.append((attributes.get("name", ""), keys[0] if keys else "", hidden))
        elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            epoch = datetime.datetime(1904, 1, 1)

    package.parse_all(path, start)
    return sheets, epoch


def _texts(package: _Package, path: str | None) -> list[str]:
    """Return the texts that cells refer to by number."""
    texts: list[str] = []
    pieces: list[str] = []
    inside = phonetic = 0

    def start(tag: str, _attributes: Attributes) -> None:
        nonlocal inside, phonetic
        inside += tag == "t"
        phonetic += tag == "rPh"

    def text(piece: str) -> None:
        if inside and not phonetic:
            pieces.append(piece)

    def end(tag: str) -> None:
        nonlocal inside, phonetic
        inside -= tag == "t"
        phonetic -= tag == "rPh"
        if tag == "si":
            texts.append(_unescaped("".join(pieces)[:_LONGEST_TEXT]))
            pieces.clear()

    if path is not None:
        package.parse_all(path, start, end, text)
    return texts


def _date_styles(package: _Package, path: str | None) -> frozenset[str]:
    """Return the numbers of the styles that show a number as a date or time."""
    formats: dict[str, str] = {}
    styles: list[str] = []
    in_styles = False

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal in_styles
        if tag == "numFmt":
            code = attributes.get("formatCode", "")[:_LONGEST_FORMAT]
            formats[attributes.get("numFmtId", "")] = code
        elif tag == "cellXfs":
            in_styles = True
        elif tag == "xf" and in_styles:
            styles.append(attributes.get("numFmtId", ""))

    def end(tag: str) -> None:
        nonlocal in_styles
        in_styles = in_styles and tag != "cellXfs"

    if path is not None:
        package.parse_all(path, start, end)
    dates = {str(number) for number in _DATES} - set(formats)
    dates |= {number for number, code in formats.items() if _is_date(code)}
    return frozenset(str(index) for index, number in enumerate(styles) if number in dates)


def _is_date(code: str) -> bool:
    return not set("dmyhs").isdisjoint(_NO_DATE.sub("", code).lower())


def _when(days: float, epoch: datetime.datetime) -> When:
    # Excel's first year is a leap year, so its first two months begin a day later.
    early = epoch.year < 1900 and days < 60
    try:
        moment = epoch + datetime.timedelta(days=days + early)
    except OverflowError:
        return When(f"date number {days:g}")
    return When(str(moment.replace(microsecond=0)))


def _whole(text: str, what: str) -> int:
    plain = text.strip()
    if not (plain.isascii() and plain.isdecimal() and len(plain) <= 18):
        raise FormatError(f"it numbers {what} {plain[:20]!r}")
    return int(plain)


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return match[0] if 0xD800 <= code < 0xE000 else chr(code)

    return _ESCAPED.sub(character, text) if "_x" in text else text


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _column_name(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _ignore(_tag: str) -> None:
    """Do nothing at a tag's end."""


class _Local(dict[str, str]):
    """Names without their namespace."""

    def __missing__(self, name: str) -> str:
        local = self[name] = name.rpartition(" ")[2]
        return local


class _Careful(io.BufferedIOBase):
    """A file of which nobody reads much at once: a zip archive's directory is read as a whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int | None = -1, /) -> bytes:
        most = _LONGEST_DIRECTORY + 1 if size is None or size < 0 else size
        data = self._stream.read(min(most, _LONGEST_DIRECTORY + 1))
        if len(data) > _LONGEST_DIRECTORY:
            raise FormatError("its archive holds far more parts than a workbook has")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


class _Package:
    """The parts of a workbook."""

    def __init__(self, stream: BinaryIO) -> None:
        with blame(FormatError):
            self._zip = zipfile.ZipFile(_Careful(stream))
            parts = self._zip.infolist()
        self._parts: dict[str, list[zipfile.ZipInfo]] = {}
        for part in parts:  # their names do not tell upper from lower case
            self._parts.setdefault(part.filename.lower().lstrip("/"), []).append(part)

    def targets(self, path: str) -> dict[str, tuple[str, str]]:
        """Return what a part refers to: by key, the kind of part and its path."""
        found: dict[str, tuple[str, str]] = {}
        folder, name = posixpath.split(path)

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = posixpath.join("/", folder, attributes.get("Target", ""))
                found[attributes.get("Id", "")] = (kind, posixpath.normpath(target).lstrip("/"))

        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if path or relations in self._parts:
            self.parse_all(relations, start)
        return found

    def parse_all(
        self,
        path: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] = _ignore,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Parse a part; see ``parse``."""
        for _ in self.parse(path, start, end, text):
            pass

    def parse(
        self,
        path: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None],
        text: Callable[[str], None] | None = None,
    ) -> Iterator[None]:
        """Parse a part, and yield after some of it.

        Args:
            path: of the part.
            start: called with a tag without its namespace, and its attributes.
            end: called with a tag that ends.
            text: called with text between tags.

        Raises:
            FormatError: it is missing or damaged, or takes more room than any workbook.
        """
        parser, names = expat.ParserCreate(namespace_separator=" "), _Local()
        parser.buffer_text = True
        depth = 0

        def on_start(name: str, attributes: Attributes) -> None:
            nonlocal depth
            depth += 1
            if depth > _DEEPEST:
                raise FormatError(f"{path} holds tags within tags, more than {_DEEPEST} deep")
            start(names[name], attributes)

        def on_end(name: str) -> None:
            nonlocal depth
            depth -= 1
            end(names[name])

        def on_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
            if (encoding and encoding.lower()) not in _ENCODINGS:
                raise FormatError(f"{path} is encoded as {str(encoding)[:20]!r}, not as UTF-8")

        def on_doctype(*_: Any) -> None:
            raise FormatError(f"{path} declares a document type, which no workbook does")

        parser.StartElementHandler, parser.EndElementHandler = on_start, on_end
        parser.CharacterDataHandler = text
        parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = on_declaration, on_doctype
        fed = 0
        try:
            for chunk in self._chunks(path):
                parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - max(0, parser.CurrentByteIndex) > _LONGEST_TAG + _CHUNK:
                    raise FormatError(f"{path} holds a tag of more than {_LONGEST_TAG:,} bytes")
                yield
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise FormatError(f"{path} is no XML: {error}") from None
        yield

    def _chunks(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a part, as long as they are no more than a workbook has."""
        parts = self._parts.get(path.lower(), [])
        if len(parts) != 1:
            raise FormatError(f"it holds {path} {len(parts)} times, expected once")
        (part,) = parts
        if part.flag_bits & _ENCRYPTED:
            raise FormatError(f"{path} is encrypted; save the workbook without a password")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"{path} is compressed in a way that workbooks are not")
        most = max(_MOST_INFLATED, _MOST_RATIO * part.compress_size)
        with blame(FormatError):
            stream = self._zip.open(part)
        with stream:
            while True:
                with blame(FormatError):
                    chunk = stream.read(_CHUNK)
                if not chunk:
                    return
                most -= len(chunk)
                if most < 0:
                    raise FormatError(
                        f"{path} inflates to more than {_MOST_INFLATED:,} bytes and "
                        f"{_MOST_RATIO} times its size, as no sheet of readings does"
                    )
                yield chunk
