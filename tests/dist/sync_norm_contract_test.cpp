// The contract of the norms for SyncBatchNorm. All ranks have the same input, so the ranks' influence on each other
// keeps every gradient what it is in one process: finite differences are taken in step, and all losses are equal.
#include "tests/support/norm_contract.hpp"

#include "tests/support/raises.hpp"
#include "normgrad/dist/sync_batch_norm.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

const std::vector<tests::Place>& sync_places() {
  static const std::vector<tests::Place> all = [] {
    register_sync_batch_norm();
    std::vector<tests::Place> places = tests::norm_places();
    // More ranks than processors are slow.
    const bool few = ProcessGroup::world().size() <= 2;
    std::erase_if(places, [&](const tests::Place& place) {
      return place.spec != "sync_batch" || (!few && place.spatial_dims != 0);
    });
    return places;
  }();
  return all;
}
INSTANTIATE_TEST_SUITE_P(Sync, NormContractTest, testing::ValuesIn(sync_places()), tests::place_name);

TEST(SyncBatchNormEntry, MakesTheNorm) {
  const auto norm = make_norm("sync_batch:momentum=none:eps=0.5", {.num_features = 3, .spatial_dims = 2});
  const std::string text = to_string(*norm);
  EXPECT_TRUE(text.starts_with("SyncBatchNorm(3, eps=0.5, momentum=cumulative")) << text;
  EXPECT_EQ(tests::error_of<ValueError>([] { register_sync_batch_norm(); }),
            "register_norm: expected a new name but got \"sync_batch\", which the registry has");
  NormEntry entry;
  entry.name = "a:b";
  EXPECT_EQ(tests::error_of<ValueError>([&] { register_norm(entry); }),
            "register_norm: expected a name without a colon but got \"a:b\"");
  entry.name = "mine";
  EXPECT_EQ(tests::error_of<ValueError>([&] { register_norm(entry); }),
            "register_norm: expected reason_against and make for \"mine\"");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
