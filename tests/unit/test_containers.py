"""Every container that is read: the same samples, or refused by name; whatever was cut off, added or turned."""

import io
import warnings
from functools import cache

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
from test_audio import speech_like

from property_neurons.corpus.audio import UnusableAudio, read_audio
from property_neurons.corpus.containers import mp3
from property_neurons.corpus.containers.announced import announced
from property_neurons.corpus.containers.outcome import UncheckedContainer

N_SAMPLES = 16_000


def coded(form: str, subtype: str, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, speech_like(N_SAMPLES), 16_000, format=form, subtype=subtype, **options)
    return file.getvalue()


def without_checksum(flac: bytes, *, without_length: bool = False) -> bytes:
    """A FLAC file as one that was written to a pipe: the encoder could not go back to fill in its header."""
    length = bytes([flac[21] & 0xF0]) + bytes(4) if without_length else flac[21:26]
    return flac[:21] + length + bytes(16) + flac[42:]


def id3v2(content: bytes) -> bytes:
    return b"ID3\x04\x00\x00\x00\x00\x02\x0a" + bytes(266) + content


MAKERS = {
    "FLAC of 16 bits": lambda: coded("FLAC", "PCM_16"),
    "FLAC of 24 bits": lambda: coded("FLAC", "PCM_24"),
    "FLAC of 8 bits": lambda: coded("FLAC", "PCM_S8"),
    "FLAC without a checksum": lambda: without_checksum(coded("FLAC", "PCM_16")),
    "FLAC behind a tag": lambda: id3v2(coded("FLAC", "PCM_16")),
    "FLAC stream": lambda: without_checksum(coded("FLAC", "PCM_16"), without_length=True),
    "WAV of 8 bits": lambda: coded("WAV", "PCM_U8"),
    "WAV of 16 bits": lambda: coded("WAV", "PCM_16"),
    "WAV of 24 bits": lambda: coded("WAV", "PCM_24"),
    "WAV of 32 bits": lambda: coded("WAV", "PCM_32"),
    "WAV of floats": lambda: coded("WAV", "FLOAT"),
    "WAV of doubles": lambda: coded("WAV", "DOUBLE"),
    "WAV, mu-law": lambda: coded("WAV", "ULAW"),
    "WAV, A-law": lambda: coded("WAV", "ALAW"),
    "WAV, extensible": lambda: coded("WAVEX", "PCM_16"),
    "SPHERE": lambda: coded("NIST", "PCM_16"),
    "SPHERE, mu-law": lambda: coded("NIST", "ULAW"),
    "OGG Vorbis": lambda: coded("OGG", "VORBIS"),
    "OGG Opus": lambda: coded("OGG", "OPUS"),
    "MP3": lambda: coded("MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT"),
    "MP3, variable": lambda: coded("MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE"),
    "MP3 between tags": lambda: id3v2(coded("MP3", "MPEG_LAYER_III")) + b"TAG".ljust(128, b"\0"),
}
CHECKSUMMED = [name for name in MAKERS if name.startswith(("FLAC", "OGG"))]


@cache
def made(name: str) -> bytes:
    return MAKERS[name]()


@cache
def samples_of(name: str) -> np.ndarray:
    content = made("FLAC of 16 bits") if name == "FLAC stream" else made(name)
    # soundfile.read would seek first, after which MP3 decodes to samples that differ by one bit.
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        return file.read(dtype="float32")


@pytest.fixture
def outcome(tmp_path):
    """What comes of these bytes: the samples, or the codes of what is wrong."""

    def read(content: bytes) -> np.ndarray | list[str]:
        # The name says nothing.
        path = tmp_path / "a.wav"
        path.write_bytes(content)
        try:
            return read_audio(path)
        except UnusableAudio as error:
            return [trouble.code for trouble in error.troubles]

    return read


@pytest.mark.parametrize("name", MAKERS)
def test_whole_files_are_read_whatever_their_name(outcome, name):
    samples = outcome(made(name))
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, samples_of(name))
    if name.startswith(("OGG", "MP3")):
        assert np.corrcoef(samples, speech_like(N_SAMPLES))[0, 1] > 0.6
    else:
        step = 2**-7 if "8 bits" in name else 0.02 if "law" in name else 2**-15
        np.testing.assert_allclose(samples, speech_like(N_SAMPLES), atol=step, rtol=0)


@pytest.mark.parametrize("name", MAKERS)
def test_cut_files_are_refused_wherever_they_were_cut(outcome, name):
    content = made(name)
    tail = 128 if "tags" in name else 0
    cuts = {1, 4, 12, 44, 200, 1024, 1100, *np.linspace(60, len(content) - tail - 2, 12, dtype=int)}
    for cut in [*cuts, len(content) - tail - 1]:
        assert outcome(content[:cut]) in (["corrupt_audio"], ["too_short"], ["unknown_length"]), cut
    assert outcome(content[: len(content) * 2 // 3]) == ["corrupt_audio"]


def test_files_cut_between_two_frames_are_refused(outcome):
    for name in ("FLAC of 16 bits", "FLAC without a checksum"):
        place = made(name).rindex(b"\xff\xf8")
        assert outcome(made(name)[:place]) == ["corrupt_audio"]
    for name in ("OGG Vorbis", "OGG Opus"):
        assert outcome(made(name)[: made(name).rindex(b"OggS")]) == ["corrupt_audio"]
    for name in ("MP3", "MP3, variable"):
        for place in mp3_frames(made(name))[2:]:
            assert outcome(made(name)[:place]) == ["corrupt_audio"]


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_added_at_the_end_is_refused_or_left_unread(outcome, name):
    content = made(name)
    junk = np.random.default_rng(3).bytes(3001)
    for added in (b"\0", bytes(5000), b"x", junk, content, content[len(content) // 2 :], b"TAG".ljust(128, b"\0")):
        found = outcome(content + added)
        if isinstance(found, list):
            assert found == ["corrupt_audio"]
        else:
            np.testing.assert_array_equal(found, samples_of(name))


@pytest.mark.parametrize("name", CHECKSUMMED)
def test_turned_bits_are_refused_or_change_nothing(outcome, name):
    content = made(name)
    refused = 0
    for position in np.random.default_rng(1).integers(0, len(content), size=40):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        found = outcome(bytes(damaged))
        if isinstance(found, list):
            refused += 1
        else:
            np.testing.assert_array_equal(found, samples_of(name), err_msg=f"{position}")
    assert refused > 30


@pytest.mark.parametrize("name", [name for name in MAKERS if name.startswith("FLAC") and "tag" not in name])
def test_flac_with_frames_left_out_or_in_another_order_is_refused(outcome, name):
    content = made(name)
    places = [i for i in range(len(content) - 1) if content[i] == 0xFF and content[i + 1] == 0xF8]
    one, two = places[1], places[2]
    assert outcome(content[:one] + content[two:]) == ["corrupt_audio"]
    assert outcome(content[:two] + content[one:]) == ["corrupt_audio"]


@pytest.mark.parametrize("name", ["OGG Vorbis", "OGG Opus"])
def test_ogg_pages_left_out_or_of_two_streams_are_refused(outcome, name):
    content = made(name)
    last = content.rindex(b"OggS")
    before = content.rindex(b"OggS", 0, last)
    assert outcome(content[:before] + content[last:]) == ["corrupt_audio"]
    assert outcome(content + made("OGG Vorbis")) == ["corrupt_audio"]


# -- MP3


def mp3_frames(content: bytes) -> list[int]:
    """Where frames begin, by the bytes that all of them have in common."""
    return [i for i in range(len(content) - 3) if content[i : i + 2] == b"\xff\xf3" and content[i + 3] == content[3]]


@pytest.mark.parametrize("name", ["MP3", "MP3, variable"])
def test_mp3_that_does_not_say_its_length_is_refused(outcome, name):
    content = made(name)
    headerless = content[mp3_frames(content)[1] :]
    assert outcome(headerless) == ["unknown_length"]
    assert outcome(b"ID3\x04\x00\x00\x00\x00\x00\x00" + headerless) == ["unknown_length"]


def test_mp3_with_a_frame_left_out_is_refused(outcome):
    content = made("MP3, variable")
    frames = mp3_frames(content)
    assert outcome(content[: frames[5]] + content[frames[6] :]) == ["corrupt_audio"]


@pytest.mark.parametrize("name", ["MP3", "MP3, variable"])
def test_turned_bits_in_mp3_do_not_match_the_checksum_of_its_encoder(outcome, name):
    content = made(name)
    for position in np.random.default_rng(2).integers(mp3_frames(content)[1], len(content), size=20):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        assert outcome(bytes(damaged)) == ["corrupt_audio"], position


@pytest.mark.parametrize("size", [0, 1, 500, 32_767, 70_000])
def test_the_checksum_of_mp3_is_crc_16(size):
    music = np.random.default_rng(size).bytes(size)
    value = 0
    for byte in music:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    assert mp3._lame_checksum(music) == value


def test_other_mpeg_audio_is_refused_by_name():
    with pytest.raises(UncheckedContainer, match="layer 2"):
        announced(b"\xff\xf5\x48\xc4" + bytes(400))
    with pytest.raises(UncheckedContainer, match="free format"):
        announced(b"\xff\xf3\x08\xc4" + bytes(400))


# -- WAV


def chunk(name: bytes, content: bytes, *, size: int | None = None) -> bytes:
    return name + (len(content) if size is None else size).to_bytes(4, "little") + content


def riff(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


FMT = chunk(b"fmt ", b"\1\0\1\0" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\2\0\x10\0")
INTEGERS = (speech_like(N_SAMPLES) * 32_767).astype("<i2")
DATA = chunk(b"data", INTEGERS.tobytes())


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFDB])
def test_wav_headers_of_unfinished_streams_are_refused_by_name(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(FMT, chunk(b"data", INTEGERS.tobytes(), size=size)))
    with pytest.raises(UnusableAudio, match=f"unknown_length: .*{size:#x}, as of a stream .* ffmpeg -i"):
        read_audio(path)


def test_wav_chunks_of_other_kinds_do_no_harm(outcome):
    odd = chunk(b"LIST", b"INFOabc")
    for content in (
        riff(odd + b"\0", FMT, DATA),
        riff(FMT, DATA, odd),
        riff(FMT, chunk(b"junk", bytes(3000)), DATA, odd + b"\0", chunk(b"id3 ", b"ID3")),
        # The size of the whole is often wrong; those of the chunks tell.
        chunk(b"RIFF", b"WAVE" + FMT + DATA, size=0),
        chunk(b"RIFF", b"WAVE" + FMT + DATA, size=0xFFFFFFFF),
    ):
        np.testing.assert_array_equal(outcome(content), INTEGERS / np.float32(32_768))


def test_wav_files_that_say_less_than_they_hold_are_refused(outcome):
    half = len(INTEGERS)
    for content in (
        riff(FMT, chunk(b"data", INTEGERS.tobytes(), size=half)),
        riff(FMT, DATA) * 2,
        riff(FMT, DATA, DATA),
        riff(FMT, FMT, DATA),
        riff(FMT),
        riff(DATA),
    ):
        assert outcome(content) == ["corrupt_audio"]


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM"])
def test_wav_codecs_that_fill_up_their_last_block_are_refused(outcome, subtype):
    assert outcome(coded("WAV", subtype)) == ["unsupported_container"]


@pytest.mark.parametrize("name", [name for name in MAKERS if name.startswith("WAV") and "law" not in name])
def test_wav_samples_are_those_of_another_reader(outcome, name):
    with warnings.catch_warnings(action="ignore", category=scipy.io.wavfile.WavFileWarning):
        _, samples = scipy.io.wavfile.read(io.BytesIO(made(name)))
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float64) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples / 2.0 ** (8 * samples.itemsize - 1)
    np.testing.assert_array_equal(outcome(made(name)), samples.astype(np.float32))


# -- SPHERE


def sphere(content: bytes = INTEGERS.tobytes(), **fields: str) -> bytes:
    known = {
        "sample_count": f"-i {len(INTEGERS)}",
        "sample_rate": "-i 16000",
        "channel_count": "-i 1",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 01",
        "sample_sig_bits": "-i 16",
        "sample_coding": "-s3 pcm",
        **fields,
    }
    lines = [f"{name} {value}" for name, value in known.items() if value]
    return ("\n".join(["NIST_1A", "   1024", *lines, "end_head", ""])).encode().ljust(1024) + content


def test_sphere_files_hold_what_their_header_says(outcome):
    np.testing.assert_array_equal(outcome(sphere()), INTEGERS / np.float32(32_768))
    swapped = sphere(INTEGERS.astype(">i2").tobytes(), sample_byte_format="-s2 10")
    np.testing.assert_array_equal(outcome(swapped), INTEGERS / np.float32(32_768))
    assert outcome(sphere(INTEGERS[:8000].tobytes())) == ["corrupt_audio"]
    assert outcome(sphere(sample_count="-i 8000")) == ["corrupt_audio"]
    for missing in ("sample_count", "channel_count"):
        assert outcome(sphere(**{missing: ""})) == ["unknown_length"]
    assert outcome(sphere(sample_count="-i many")) == ["unknown_length"]
    assert outcome(sphere(sample_coding="-s26 pcm,embedded-shorten-v2.00")) == ["unsupported_container"]


# -- what is none of these


# WAVEX is WAV, and SD2 needs two files.
READ = {"FLAC", "WAV", "WAVEX", "OGG", "MP3", "NIST", "SD2"}


@pytest.mark.parametrize("form", sorted(soundfile.available_formats().keys() - READ))
def test_every_other_format_of_libsndfile_is_refused(outcome, form):
    content = coded(form, "DPCM_16" if form == "XI" else next(iter(soundfile.available_subtypes(form))))
    assert outcome(content) in (["unsupported_container"], ["corrupt_audio"])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"FORM\0\0\1\0AIFF", "unsupported_container: .*AIFF"),
        (b"\0\0\0\x20ftypM4A ", "unsupported_container: .*M4A"),
        (b"RF64\xff\xff\xff\xffWAVE", "unsupported_container: .*RF64.*ffmpeg"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "corrupt_audio: .*git lfs pull"),
        (b"\x1b[2J evil", r"corrupt_audio: .*begins with b'\\x1b\[2J"),
        (b"ID3", "corrupt_audio"),
        (b"\xff", "corrupt_audio"),
    ],
)
def test_what_is_no_known_container_is_named(tmp_path, content, found):
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(UnusableAudio, match=found):
        read_audio(path)


def test_an_announced_length_takes_no_memory(outcome):
    """A header of 2^36 - 1 samples, in a file of 10 kB."""
    flac = made("FLAC of 16 bits")
    huge = flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff" * 4 + flac[26:]
    assert outcome(huge) == ["corrupt_audio"]
    assert outcome(sphere(sample_count="-i 4000000000")) == ["corrupt_audio"]
