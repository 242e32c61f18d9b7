"""All attacks by name, in the order of tables and files.

The first five are computed together, as they share the order statistics of a sample's scores
(:mod:`lira.attacks.leave_one_out`); the others block by block (:mod:`lira.attacks.streaming`). A user's own attacks are
functions, which :mod:`lira.attacks.own` calls.
"""

from lira.attacks.base import BASE, BASE_OFFLINE
from lira.attacks.block import IN, OUT, Attack
from lira.attacks.moderated import MODERATED, OFFLINE_MODERATED
from lira.attacks.reference import REFERENCE
from lira.attacks.rmia import RMIA, RMIA_OFFLINE

ATTACKS = {
    "online": Attack((IN, OUT)),
    "online_fixed": Attack((IN, OUT)),
    "offline": Attack((OUT,)),
    "offline_fixed": Attack((OUT,)),
    "global": Attack(()),
    "rmia": RMIA,
    "rmia_offline": RMIA_OFFLINE,
    "base": BASE,
    "base_offline": BASE_OFFLINE,
    "moderated": MODERATED,
    "offline_moderated": OFFLINE_MODERATED,
    "reference": REFERENCE,
}
