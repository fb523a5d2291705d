"""Middle frames, as the extraction of ranks asks for them."""

from synthetic_stores import CLEAN, loop_runs, make_corpus, write_frames

from property_neurons.counting.sampling import middle_frames_of


def test_middle_frames_of_every_run_counted_from_the_utterance(tmp_path):
    corpus = make_corpus(seed=4, n_utterances=15)
    store = write_frames(tmp_path / "f.zarr", corpus)
    for rule in ("separate", "merge"):
        found = middle_frames_of(store, rule)
        assert list(found) == [utterance.name for utterance in corpus]
        for utterance in corpus:
            runs = loop_runs(utterance, CLEAN | {"equal_neighbours": rule})
            assert found[utterance.name].tolist() == [(run[0] + run[-1]) // 2 for run in runs]
