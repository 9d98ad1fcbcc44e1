"""Folders of photos in studies: sizes and classes from the networks, as in a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmark.runs.images import output_order, with_classes_of, with_declared_size
from benchmark.studies.entry import Subject
from benchmark.studies.measures.subjects import network_of
from benchmark.studies.request import StudyRequest
from estimators.data.images import Images, Split
from estimators.data.load import known_shape, load_images
from estimators.errors import InputError
from estimators.networks.given import is_given
from estimators.training.splits import as_trained


def prepared(request: StudyRequest) -> StudyRequest:
    """Return a request whose images have the sizes and classes that its networks know.

    A folder of photos gets the size that the network beside it declares, as a part of its name.
    Classes come from the networks as in `runs.images.with_classes_of`. A request that is prepared
    already stays the same; so does one of data sets whose classes are known without their files,
    and networks that are trained here.

    Raises InputError for sizes that contradict each other and classes that are unknown.
    """
    sized: list[Subject] = []
    for dataset, network in request.subjects:
        name, note = with_declared_size(dataset, [network])
        sized.append((name, network))
        if note:
            request.message(f"{dataset}: {note}")
    if not any(is_given(network) or known_shape(name) is None for name, network in sized):
        return request
    ready = replace(request, subjects=tuple(sized))

    def loaded(dataset: str, split: Split, data_dir: Path | None) -> Images:
        images = load_images(dataset, split, data_dir)
        for name, network in ready.subjects:
            if name == dataset and is_given(network):
                module = network_of(ready, dataset, network).cpu()
                images, _ = with_classes_of(images, module, network)
                if output_order(images, module, network) is not None:
                    raise InputError(
                        f"network {network}: its labels have another order than the classes of"
                        f" {dataset}; a study needs one order"
                    )
            elif name == dataset and split == "test" and images.class_source == "labels":
                images = as_trained(images, name, network, data_dir)
        return images

    for dataset in ready.datasets:
        # faults are found now, and what is said of the images once
        for note in loaded(dataset, "test", request.data_dir).notes:
            request.message(f"{dataset}: {note}")
    return replace(ready, loader=loaded)
