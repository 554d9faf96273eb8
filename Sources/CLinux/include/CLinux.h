// C calls that Swift cannot make by itself.
#include "CLinuxNet.h"
#include "CLinuxSandbox.h"
