// Synthetic English text, so that language models train without data files.
#pragma once

#include <cstdint>
#include <string>

namespace normgrad {

/// Options of make_stories().
struct StoriesOptions {
  std::int64_t stories = 4000;  ///< each of one paragraph of about 270 characters
  std::uint64_t seed = 0;       ///< determines the text
};

/// Returns short stories made by a small grammar, separated by empty lines. It has rules that reach over several words,
/// which show what a model has learned: the article a or an, singular and plural, he or she by the name of the hero,
/// the hero's own animal, quotation marks, and sums of numbers in words. About 90 different words and 50 characters.
/// The same seed gives the same text on every machine, and more stories only add to it. Throws ValueError unless the
/// number is between 1 and 2^31.
std::string make_stories(const StoriesOptions& options = {});

}  // namespace normgrad
