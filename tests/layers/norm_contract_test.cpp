// The contract of every norm of the registry. A new norm is included automatically.
#include "tests/support/norm_contract.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

INSTANTIATE_TEST_SUITE_P(Registry, NormContractTest, testing::ValuesIn(tests::norm_places()), tests::place_name);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
