#include "normgrad/data/stories.hpp"

#include <array>
#include <cctype>
#include <span>
#include <string_view>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad {

namespace {

using Word = std::string_view;

struct Hero {
  Word name;
  Word pronoun;
};

constexpr auto kHeroes = std::to_array<Hero>({{"Ada", "she"},
                                              {"Mira", "she"},
                                              {"Olga", "she"},
                                              {"Ruth", "she"},
                                              {"Ben", "he"},
                                              {"Emil", "he"},
                                              {"Juri", "he"},
                                              {"Tom", "he"}});
constexpr auto kJobs = std::to_array<Word>({"baker", "farmer", "artist", "teacher", "engineer", "sailor"});
constexpr auto kPlaces = std::to_array<Word>(
    {"near the river", "in the old town", "behind the forest", "at the sea", "under the hill", "beside the market"});
constexpr auto kAnimals = std::to_array<Word>({"cat", "dog", "owl", "horse", "eagle", "rabbit"});
constexpr auto kKinds = std::to_array<Word>({"small", "old", "young", "happy", "angry", "black", "white", "quiet"});
constexpr auto kThings = std::to_array<Word>({"apple", "book", "lamp", "egg", "ring", "umbrella", "key", "letter"});
constexpr auto kTimes = std::to_array<Word>({"morning", "evening", "night", "Sunday", "winter"});
constexpr auto kVerbs = std::to_array<Word>({"feeds", "watches", "calls", "follows", "washes"});
constexpr auto kPast = std::to_array<Word>({"found", "saw", "lost", "bought", "painted"});
constexpr auto kExclamations = std::to_array<Word>({"How nice", "Oh no", "Come here", "Look at this", "Wait for me"});
constexpr auto kNumbers =
    std::to_array<Word>({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"});

class Storyteller {
 public:
  explicit Storyteller(Generator& generator) : generator_(generator), hero_(pick_from(std::span(kHeroes))) {}

  std::string tell() {
    animal_ = pick(kAnimals);
    add("{} is {} who lives {}.", {hero_.name, described(pick(kJobs)), pick(kPlaces)});
    add("{} has {}.", {capital(hero_.pronoun), described(animal_)});
    const std::uint64_t more = 2 + generator_.below(3);
    for (std::uint64_t i = 0; i < more; ++i) {
      add_sentence();
    }
    return std::move(text_);
  }

 private:
  template <std::size_t N>
  Word pick(const std::array<Word, N>& words) {
    return pick_from(std::span(words));
  }
  template <class T, std::size_t N>
  T pick_from(std::span<const T, N> all) {
    return all[generator_.below(all.size())];
  }

  static std::string capital(Word word) {
    std::string text(word);
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text;
  }
  std::string described(Word noun) {
    const Word kind = pick(kKinds);
    const bool vowel = std::string_view("aeiou").find(kind[0]) != std::string_view::npos;
    return detail::concat(vowel ? "an " : "a ", kind, " ", noun);
  }

  /// Appends a sentence, with each {} replaced by the next word.
  void add(std::string_view pattern, std::initializer_list<std::string_view> words) {
    text_ += text_.empty() ? "" : " ";
    const auto* word = words.begin();
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] == '{') {
        text_ += *word++;
        ++i;
      } else {
        text_ += pattern[i];
      }
    }
  }

  void add_sentence() {
    switch (generator_.below(5)) {
      case 0:
        return add("Every {}, {} {} the {}.", {pick(kTimes), hero_.pronoun, pick(kVerbs), animal_});
      case 1:
        return add("One {}, {} {} {} {}.",
                   {pick(kTimes), hero_.name, pick(kPast), described(pick(kThings)), pick(kPlaces)});
      case 2:
        return add("\"{}!\" said {} to the {}.", {pick(kExclamations), hero_.name, animal_});
      case 3: {
        const std::size_t a = generator_.below(5);
        const std::size_t b = generator_.below(5);
        return add("{} and {} make {}, as {} knows.",
                   {capital(kNumbers[a]), kNumbers[b], kNumbers[a + b + 1], hero_.pronoun});
      }
      default: {
        const std::size_t count = 1 + generator_.below(9);
        return add("Now {} has {} {} {}s.", {hero_.pronoun, kNumbers[count], pick(kKinds), pick(kThings)});
      }
    }
  }

  Generator& generator_;
  Hero hero_;
  Word animal_;
  std::string text_;
};

}  // namespace

std::string make_stories(const StoriesOptions& options) {
  require<ValueError>(options.stories >= 1 && options.stories <= std::int64_t{1} << 31,
                      "make_stories: expected 1 to 2^31 stories but got ", options.stories);
  Generator generator(options.seed);
  std::string text;
  for (std::int64_t i = 0; i < options.stories; ++i) {
    text += Storyteller(generator).tell() + "\n\n";
  }
  return text;
}

}  // namespace normgrad
