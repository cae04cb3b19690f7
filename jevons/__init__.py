from jevons.elements import Auxiliary, Driver, Flow, InitialUnknown, LogNormal, Normal, Parameter, Range, Roles, Sector, Stock, Table
from jevons.functions import *
from jevons.functions import Names
from jevons.model import Model
