// C calls that Swift cannot make by itself.
#include "CLinuxConfine.h"
#include "CLinuxNet.h"
#include "CLinuxSandbox.h"
