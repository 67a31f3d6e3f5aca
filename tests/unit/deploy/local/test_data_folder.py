"""What a data folder keeps between runs, and how it is locked."""

import pytest

from deploy.local.data_folder import DataFolder, DataFolderInUseError, NoStackRunningError, UpFile

UP = UpFile("http://127.0.0.1:1", "sk_live_x", "127.0.0.1:2", "mongodb://127.0.0.1:3", "http://127.0.0.1:4")


def test_secrets_are_made_once_and_differ_between_folders(tmp_path):
    with DataFolder(tmp_path / "a").locked():
        first = DataFolder(tmp_path / "a").secrets()
    with DataFolder(tmp_path / "b").locked():
        other = DataFolder(tmp_path / "b").secrets()
    assert DataFolder(tmp_path / "a").secrets() == first
    assert set(vars(first).values()).isdisjoint(vars(other).values())
    assert (tmp_path / "a" / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_only_one_run_holds_the_folder(tmp_path):
    with (
        DataFolder(tmp_path).locked(),
        pytest.raises(DataFolderInUseError, match="Another Waterhole runs on the data folder"),
        DataFolder(tmp_path).locked(),
    ):
        pass
    with DataFolder(tmp_path).locked():
        pass


def test_the_up_file_exists_only_while_the_folder_is_held(tmp_path):
    folder = DataFolder(tmp_path)
    with folder.locked():
        with pytest.raises(NoStackRunningError):
            DataFolder(tmp_path).running()
        folder.publish(UP)
        assert DataFolder(tmp_path).running() == UP
        assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NoStackRunningError, match="make up"):
        DataFolder(tmp_path).running()


def test_files_of_a_killed_run_are_not_mistaken_for_a_running_one(tmp_path):
    folder = DataFolder(tmp_path)
    folder.publish(UP)
    with pytest.raises(NoStackRunningError):
        folder.running()
    with folder.locked(), pytest.raises(NoStackRunningError):
        folder.running()


def test_reading_the_state_creates_nothing(tmp_path):
    with pytest.raises(NoStackRunningError):
        DataFolder(tmp_path / "nothing").running()
    assert list(tmp_path.iterdir()) == []
