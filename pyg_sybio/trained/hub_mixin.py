r"""Sybio-GNN with the methods that models of the Hugging Face hub have (`pip install "pyg_sybio[hub]"`)."""

from pathlib import Path
from typing import Any, Self

from huggingface_hub import ModelHubMixin, snapshot_download

from pyg_sybio.models.pretrained import CONFIG_FILE, WEIGHTS_FILE
from pyg_sybio.models.sybio_gnn import SybioGNN

_CARD = """---
{{ card_data }}
---

# Sybio-GNN

Recognises what a person is doing and forecasts how the person will move next, from a skeleton sequence.

```python
from pyg_sybio import SybioGNN

model = SybioGNN.from_pretrained("OWNER/NAME")  # the name of this repository
```

The weights are safetensors, and the skeleton is in `config.json`. What the model was trained on, and how well
it does, nobody has written down here: `sybio export pretrained` writes a card from the report of
`sybio evaluate`.
"""


class HubSybioGNN(  # type: ignore[misc]  # two methods take more than SybioGNN's
    ModelHubMixin,
    SybioGNN,
    library_name="pyg_sybio",
    tags=["skeleton", "action-recognition", "motion-prediction", "safetensors"],
    model_card_template=_CARD,
):
    r"""A :class:`~pyg_sybio.models.sybio_gnn.SybioGNN` that pushes itself to the hub, and is pulled from it.

    .. code-block:: python

        model = HubSybioGNN.from_preset("realtime", skeleton=skeleton, num_classes=12, num_future=10)
        model.push_to_hub("owner/name", private=True)
        model = HubSybioGNN.from_pretrained("owner/name", revision="main")

    `save_pretrained`, `push_to_hub` and `from_pretrained` take what ``huggingface_hub.ModelHubMixin`` takes.
    The files are those of `SybioGNN`, which reads them as well, and the other way round. The model travels
    alone: with its classes, its preparation and its results, ``sybio export pretrained`` and ``export hub``
    share it (:func:`~pyg_sybio.trained.hub.push_to_hub`).

    Raises:
        ValueError: If `from_pretrained` is given a setting that the trained model does not have.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        # With the settings by their names, the mixin would make a skeleton of its own from the file's.
        super().__init__(*arguments, **settings)

    def _save_pretrained(self, save_directory: Path) -> None:
        SybioGNN.save_pretrained(self, save_directory)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **settings: Any,
    ) -> Self:
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=[CONFIG_FILE, WEIGHTS_FILE],
                )
            )
        model: Self = super(ModelHubMixin, cls).from_pretrained(folder)
        for name, value in settings.items():  # the mixin gives all of the file's, and what the caller gave
            if name not in model.config or model.config[name] != value:
                has = f"has {model.config[name]!r}" if name in model.config else "has no such setting"
                raise ValueError(f"'{name}' is {value!r}, but the model of {model_id} {has}")
        return model
