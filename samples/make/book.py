"""The list of cases: a case is a function that fills one capture and returns what must come out of it."""

import dataclasses
import typing


@dataclasses.dataclass
class Case:
    name: str
    title: str
    text: str
    programs: tuple
    make: typing.Callable
    file: str = "input.pcap"
    checked: bool = True


CASES: dict[str, Case] = {}


def case(name, title, *programs, file="input.pcap", checked=True):
    """Registers a function as a case; its doc string becomes the case's README.

    `checked` is false where tshark 4.0 cannot see what the ends know; the doc string then says why.
    """

    def register(function):
        text = "\n".join(line.removeprefix("    ") for line in function.__doc__.strip().splitlines())
        CASES[name] = Case(name, title, text, programs, function, file, checked)
        return function

    return register
