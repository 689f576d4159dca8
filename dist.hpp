// Training on several processes and machines over MPI: #include <normgrad/dist.hpp>, and link normgrad::dist.
#pragma once

#include "normgrad/dist/process_group.hpp"
