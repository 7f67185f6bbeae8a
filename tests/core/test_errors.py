from __future__ import annotations

import errno

from vsa_cli.core.errors import ConfigError, DataError, ExitCode, MissingError, one_line, reason


def test_messages_are_one_printable_line_of_bounded_length() -> None:
    assert str(DataError("a\nb\x1b[2Jc\udcff")) == "a\\nb\\x1b[2Jc\\udcff"
    assert len(str(DataError("x" * 10_000))) == 2000
    assert str(DataError("plain: é 犬")) == "plain: é 犬"


def test_one_line_shortens_to_its_limit_and_escapes_what_is_not_printable() -> None:
    assert one_line("a\tb\u2028", 200) == "a\\tb\\u2028"
    assert one_line("x" * 201, 200) == "x" * 199 + "…"
    assert one_line("x" * 200, 200) == "x" * 200


def test_reason_is_the_description_of_the_system_or_the_message_or_the_type() -> None:
    assert reason(OSError(errno.ENOENT, "No such file or directory", "a.txt")) == "No such file or directory"
    assert reason(ValueError("two\n  lines")) == "two lines"
    assert reason(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_exit_codes_by_kind_of_error() -> None:
    codes = [error.exit_code for error in (DataError, ConfigError, MissingError)]
    assert codes == [ExitCode.FAILED, ExitCode.USAGE, ExitCode.MISSING]
