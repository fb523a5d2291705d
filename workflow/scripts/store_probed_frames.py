"""Store the frames of one model on one corpus whose layers are probed."""

from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from property_neurons.corpus.recordings import Recording
from property_neurons.corpus.shards import read_shard_list
from property_neurons.jobs.devices import job_device
from property_neurons.jobs.log import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.probing.frames import draw_frames
from property_neurons.probing.representations import write_representations
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path, verify_files

with job_log(snakemake), threadpool_limits(snakemake.threads):
    torch.set_num_threads(snakemake.threads)
    params, manifest, root = snakemake.params, Path(snakemake.input.model), Path(snakemake.params.root)
    corpus = Path(snakemake.input.checked).parent
    verify_files(corpus, snakemake.input.checked)
    kept = read_table(corpus / "utterances.parquet")
    encoder = load_encoder(
        manifest.with_name(snakemake.wildcards.model),
        manifest=manifest,
        device=job_device(snakemake.config.get("device", "auto"), snakemake.resources),
    )
    recordings = [
        [Recording(row.utterance, root / row.audio, row.n_samples) for row in read_shard_list(shard).itertuples()]
        for shard in snakemake.input.shards
    ]
    frames = draw_frames(
        list(zip(recordings, map(store_path, snakemake.input.frames), strict=True)),
        max_frames=params.max_frames,
        seed=params.seed,
        keep=set(zip(kept["subset"], kept["utterance"], strict=True)),
    )
    write_representations(snakemake.output.folder, encoder, frames)
