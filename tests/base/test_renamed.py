"""Names of arguments."""

import pytest

from labkit.base.errors import UsageError
from labkit.base.renamed import refuse_unknown


def test_a_misspelt_name_is_answered_with_the_nearest_and_a_foreign_one_with_all_in_their_order():
    refuse_unknown(["rows", "clicks"], ["rows", "clicks"])
    with pytest.raises(UsageError, match=r"^there is no option 'row': rows\?$"):
        refuse_unknown(["clicks", "row"], ["rows", "clicks"], "option")
    with pytest.raises(UsageError, match=r"^there is no setting 'zzz': rows, clicks$"):
        refuse_unknown(["zzz"], ["rows", "clicks"])
