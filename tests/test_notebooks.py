"""The notebooks run as they stand, on real histories, and keep up with a plain logistic regression on the same rows."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


@pytest.mark.long
@pytest.mark.parametrize(("notebook", "data"), [("online_retail.py", "online_retail"), ("bpic2012.py", "bpic2012")])
def test_a_real_history_from_raw_file_to_report(
    notebook: str, data: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (shared_data / data).is_dir():
        pytest.skip(f"the real data set is not there: ../shared/data/{data}")
    monkeypatch.setattr("sys.argv", [notebook, str(tmp_path)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn's, of the plain pipeline
        told = runpy.run_path(str(NOTEBOOKS / notebook))
    result = told["result"]
    assert (told["scored"].folder / "report.html").is_file()
    assert (told["governed"].folder / "review.html").is_file()
    assert result["auc"] >= result["auc_plain"] - result["auc_paired_error"]
    assert result["log_loss"] <= result["log_loss_plain"] + result["log_loss_paired_error"]
    assert result["log_loss"] < result["log_loss_base_rate"]
    assert result["rows"] > 1000
