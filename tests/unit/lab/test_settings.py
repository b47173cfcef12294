# SPDX-License-Identifier: Apache-2.0
"""What several programs read and write at once is whole at any moment."""

from tests.lab import settings
from tests.lab.settings import Settings


def test_who_reads_the_choices_while_they_change_has_the_former_ones_whole(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "SETTINGS_FILE", tmp_path / "settings.json")
    Settings(computes=2).save()
    with settings.SETTINGS_FILE.open() as reader:
        Settings(computes=3).save()
        assert '"computes": 2' in reader.read()
    assert Settings.load() == Settings(computes=3)
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]
