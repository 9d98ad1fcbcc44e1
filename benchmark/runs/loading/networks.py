"""The networks of a run: given ones with their checks, and those that are trained here."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.execution.chunk_size import Need, fit, memory_budget, need
from benchmark.grids.cell import Cell
from benchmark.runs.images import output_order, with_classes_of
from benchmark.runs.inputs import Pair, RunInputs
from benchmark.runs.options import RunOptions
from benchmark.terminal.shares import training_share
from estimators.errors import InputError, NetworkError
from estimators.networks.checks.misleading import misleading
from estimators.networks.checks.probed import LEAST, SAMPLE
from estimators.networks.checks.squashed import squashed
from estimators.networks.checks.wrapping import Unusable, check_choice, check_fit, check_wrapped
from estimators.networks.given import AS_DECLARED, Trained, guarded_network, in_order
from estimators.networks.running.guarded import Guarded
from estimators.training.precision import other_precision
from estimators.training.splits import as_trained
from estimators.training.train_or_load import trained_network

# share of a run's passes that the checks of an external network take
CHECKED = 0.02


def load_given(
    inputs: RunInputs, pair: Pair, options: RunOptions, passes: float, cells: Iterable[Cell] = ()
) -> Trained:
    """Load a network that is not trained here, and check that it is wrapped correctly.

    One that raises is a warning: its cells become failed rows.

    passes: expected with it in the run; the checks take CHECKED of them, but see LEAST images.
    cells: of the run, for the message that the memory does not suffice.
    """
    dataset, network = pair
    message, subject = options.progress.message, inputs.labels.subject(dataset, str(network))
    images = inputs.images[dataset]
    count = len(images.classes)
    handed = options.handed.networks.get(network.name)
    trained = guarded_network(network, images.shape, count, options.trust_pickle, handed)
    inputs.images[dataset], note = with_classes_of(images, trained.network, network)
    if note:
        message(f"{inputs.labels.dataset(dataset)}: {note}")
    order = output_order(inputs.images[dataset], trained.network, network)
    if order is not None:
        trained = in_order(trained, order)
    texts = [*trained.network.notes] if isinstance(trained.network, Guarded) else []
    needs = inputs.needs[pair] = need(trained.network, images.shape)
    batch = _batch(needs, pair, options, cells)
    # a sound network is run twice on each image
    sample = min(SAMPLE, max(LEAST, int(CHECKED * passes / 2)))
    checked = inputs.images[dataset], str(network), sample, batch
    try:
        told = check_wrapped(trained.network, *checked)
        texts += told.values()
        if misleading.__name__ in told:
            inputs.misleading.append(pair)
    except Unusable as error:
        inputs.unusable[pair] = error.reason
        texts.append(f"raises for every image tried ({error.reason}): its cells fail")
    except NetworkError as error:
        texts.append(f"raises for some images ({error.reason}): cells with such an image fail")
    fault = squashed(trained.network, inputs.images[dataset], batch)
    if fault is not None:
        inputs.squashed[pair] = fault
        texts.insert(0, fault)
    inputs.warnings[pair] = texts
    origin = f"{trained.metadata['recipe']}; hash {trained.sha256[:16]}"
    if handed is None or AS_DECLARED in origin:
        message(f"{subject}: not trained here, used as it is ({origin})")
    for text in inputs.warnings[pair]:
        message(f"warning: network {subject}: {inputs.labels.in_text(text)}")
    return trained


def _batch(needs: Need, pair: Pair, options: RunOptions, cells: Iterable[Cell]) -> int:
    """Return the images per pass of the checks, which run here, before a run's memory is divided.

    Raises InputError where one image does not fit, unless the cells are computed elsewhere.
    """
    budget = memory_budget(options.memory)
    try:
        return fit({pair: needs}, 1, *budget, cells).chunks[pair]
    except InputError:
        if options.scheduler is None:
            raise
        return 1


def check_trainable(inputs: RunInputs, pair: Pair, options: RunOptions) -> None:
    """Compare the test images of a network that is trained here with the training split.

    The images get the classes of the training split where these are counted from labels.

    Raises InputError for data without a training split, with another one, or of a single class.
    """
    dataset, network = pair
    if dataset in options.handed.images:
        raise InputError(
            f"network {network}: would be trained on {dataset}, which has no training images; hand"
            f" over a trained network, or name its weights: {network.name}:weights=FILE"
        )
    name, images = inputs.names[dataset], inputs.images[dataset]
    inputs.images[dataset] = ready = as_trained(images, name, network, options.data_dir)
    check_choice(len(ready.classes), str(network))
    for note in ready.notes[len(images.notes) :]:
        options.progress.message(f"{inputs.labels.dataset(dataset)}: {note}")


def load_or_train(inputs: RunInputs, pair: Pair, options: RunOptions, device: str) -> Trained:
    """Load a network that was trained before, or train it."""
    dataset, network = pair
    images = inputs.images[dataset]
    progress, name = options.progress, inputs.names[dataset]
    subject = inputs.labels.subject(dataset, str(network))
    hooks = progress.epoch, training_share(progress, f"training {subject}")
    trained = trained_network(name, network, options.data_dir, device, hooks[0], False, hooks[1])
    check_fit(trained.network, images.shape, len(images.classes), str(network))
    if not trained.reused:
        progress.restart()
        how = other_precision(trained.metadata)
        progress.message(f"trained {subject}{how}, kept at {trained.path}")
    return trained
