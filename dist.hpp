// Training on several processes and machines over MPI: #include <normgrad/dist.hpp>, and link normgrad::dist.
#pragma once

#include "normgrad/dist/data_parallel.hpp"
#include "normgrad/dist/distributed_sampler.hpp"
#include "normgrad/dist/process_group.hpp"
#include "normgrad/dist/sharded_optimizer.hpp"
#include "normgrad/dist/sync_batch_norm.hpp"
