"""What of a transcript is spoken, and what is refused because nobody can tell."""

import pytest

from property_neurons.corpus.spoken_words import spoken_words
from property_neurons.errors import AlignmentError


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("IT'S THE BOYS' TWENTY-ONE", ["it's", "the", "boys'", "twenty-one"]),
        ("Well, she said: \u201cit\u2019s Mr. Smith\u2019s!\u201d", ["well", "she", "said", "it's", "mr.", "smith's"]),
        ("one\u2014two -- three...four \u2026 - . five,six", ["one", "two", "three", "four", "five", "six"]),
        ("Caf\u00e9 na\u00efve Bronte\u0308 \u00d1", ["cafe", "naive", "bronte", "n"]),
        ("a\tb\u00a0c", ["a", "b", "c"]),
        ("twenty\u2011one 'em", ["twenty-one", "'em"]),
    ],
)
def test_words_are_those_that_are_spoken(transcript, words):
    assert spoken_words(transcript) == words


@pytest.mark.parametrize(
    "token",
    [
        "[noise]",
        "<unk>",
        "{laugh}",
        "(coughs)",
        "\U0001f600",
        "1984",
        "2nd",
        "*unsure*",
        "_unsure_",
        "&amp;",
        "&",
        "AT&T",
        "$5",
        "50%",
        "and/or",
        "c++",
        "user@host",
        "read(2)",
        "++noise++",
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u4f60\u597d",
        "stra\u00dfe",
        "a\u200bb",
        "x" * 61,
    ],
)
def test_what_is_no_word_is_refused_with_the_token(token):
    with pytest.raises(AlignmentError) as caught:
        spoken_words(f"THE OLD {token} MAN")
    shown = repr(token[:60])
    assert f"found {shown}; write what is spoken" in str(caught.value)


def test_all_tokens_are_named_and_nothing_moves_the_cursor():
    with pytest.raises(AlignmentError, match=r"found '\[background', 'noise\]', '\\x1b\[2j'; "):
        spoken_words("A [background noise] B \x1b[2j")


@pytest.mark.parametrize("transcript", ["", "  ", "... -- '", "\u2014", "?!"])
def test_punctuation_alone_is_no_transcript(transcript):
    with pytest.raises(AlignmentError, match="with words, found none"):
        spoken_words(transcript)
