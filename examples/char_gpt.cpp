// char_gpt: trains a small transformer to write text, character by character. See --help and docs/char_gpt.md.
#include <algorithm>
#include <iostream>

#include "lab/training_run.hpp"
#include "normgrad/normgrad.hpp"

namespace {

using namespace normgrad;

struct Options : lab::RunOptions {
  std::string data;  // empty: stories made by the program
  std::int64_t steps = 1000;
  std::int64_t batch_size = 16;
  std::int64_t context = 128;  // characters that the model sees
  std::int64_t layers = 3;
  std::int64_t heads = 4;
  std::int64_t features = 128;
  double dropout = 0.1;
  std::string norm = "layer";
  double lr = 2e-3;
  double weight_decay = 0.1;
  std::int64_t eval_every = 250;
  std::string prompt = "\n";
  std::int64_t sample = 500;  // characters
  double temperature = 0.8;
};

struct CharGpt : Module {
  CharGpt(std::int64_t characters, const Options& o)
      : embedding(characters, o.features),
        encoder(TransformerEncoderLayer(o.features, o.heads,
                                        {.dim_feedforward = 4 * o.features,
                                         .dropout = o.dropout,
                                         .activation = &gelu,
                                         .batch_first = true,
                                         .norm_first = true,
                                         .norm = o.norm,
                                         .rotary_base = 10000.0}),
                o.layers, LayerNorm(o.features)),
        head(o.features, characters) {}

  Embedding embedding;
  TransformerEncoder encoder;
  Linear head;
  NORMGRAD_MEMBERS(CharGpt, embedding, encoder, head)

  /// tokens [N, L] -> logits of the token after each [N, L, characters].
  Tensor forward(const Tensor& tokens) override { return head(encoder(embedding(tokens), {.is_causal = true})); }
  /// The same for tokens that come after those in `caches`, which keep what the layers computed for them.
  Tensor generate(const Tensor& tokens, std::vector<KeyValueCache>& caches) {
    return head(encoder(embedding(tokens), caches));
  }
};

Tensor loss_of(CharGpt& net, const Tensor& inputs, const Tensor& targets) {
  return cross_entropy(net(inputs).flatten(0, 1), targets.flatten());
}

/// The mean loss, in nats per character, over up to 20 batches.
double validation_loss(CharGpt& net, const TokenWindows& windows, std::int64_t batch_size) {
  const NoGradGuard no_grad;
  net.eval();
  DataLoader batches(windows, {.batch_size = batch_size});
  double sum = 0.0;
  std::int64_t count = 0;
  for (const auto& [inputs, targets] : batches) {
    sum += loss_of(net, inputs, targets).item();
    if (++count == 20) {
      break;
    }
  }
  net.train();
  return sum / static_cast<double>(count);
}

/// Continues the prompt by `options.sample` characters, each drawn from what the model predicts after the last ones.
std::string write_text(CharGpt& net, const CharVocabulary& vocabulary, const Options& options, std::uint64_t seed) {
  const NoGradGuard no_grad;
  net.eval();
  Generator generator(seed);
  std::vector<KeyValueCache> caches;
  Tensor tokens = vocabulary.encode(options.prompt).unsqueeze(0);
  Tensor next = tokens.slice(1, std::max<std::int64_t>(0, tokens.size(1) - options.context));
  for (std::int64_t i = 0; i < options.sample; ++i) {
    if (!caches.empty() && caches[0].length() + next.size(1) > options.context) {
      // The model has not seen longer texts: go on with the second half of this one.
      caches.clear();
      next = tokens.slice(1, tokens.size(1) - std::max<std::int64_t>(1, options.context / 2));
    }
    const Tensor logits = net.generate(next, caches).select(1, -1) / options.temperature;
    next = multinomial(softmax(logits, -1), 1, false, &generator);
    tokens = cat({tokens, next}, 1);
  }
  net.train();
  return vocabulary.decode(tokens.slice(1, tokens.size(1) - options.sample));
}

void train(const Options& options) {
  lab::TrainingRun run(options);
  const std::string text = options.data.empty() ? make_stories() : read_text(options.data);
  const CharVocabulary vocabulary(text);
  require<ValueError>(!options.prompt.empty(), "--prompt: expected at least one character");
  vocabulary.encode(options.prompt);  // an unknown character is an error now, not after the training
  const TokenSplits tokens = split_tokens(vocabulary.encode(text));
  const TokenWindows train_windows(tokens.train, options.context, {.stride = 1});
  const TokenWindows validation_windows(tokens.validation, options.context);

  manual_seed(options.seed);
  CharGpt net(vocabulary.size(), options);
  DataLoader batches(train_windows,
                     {.batch_size = options.batch_size, .shuffle = true, .drop_last = true, .seed = options.seed});
  AdamW optimizer(norm_aware_groups(
      net, AdamWOptions{.lr = options.lr, .betas = {0.9, 0.99}, .weight_decay = options.weight_decay}));
  OneCycleLR schedule(optimizer, options.lr, {.total_steps = options.steps, .pct_start = 0.1, .cycle_momentum = false});
  double loss_sum = 0.0;  // since the last row of metrics
  double validation = 0.0;
  run.begin({lab::options_part({{"steps", static_cast<double>(options.steps)},
                                {"heads", static_cast<double>(options.heads)},
                                {"dropout", options.dropout},
                                {"lr", options.lr},
                                {"weight-decay", options.weight_decay},
                                {"eval-every", static_cast<double>(options.eval_every)}}),
             {"data", RunProperty{data_fingerprint(train_windows)}},
             {"norm", RunProperty{options.norm}},
             {"model", net},
             {"optimizer", optimizer},
             {"schedule", schedule},
             {"loader", batches},
             {"loss_sum", loss_sum},
             {"validation", validation}});
  log(LogLevel::info, options.data.empty() ? "stories" : options.data, ": ", text.size(), " bytes, ", vocabulary.size(),
      " different characters; ", net.num_parameters(), " parameters");

  Progress bar("training", options.steps, {.done = run.steps()});
  while (run.steps() < options.steps) {
    for (const auto& [inputs, targets] : batches) {
      optimizer.zero_grad();
      const Tensor loss = loss_of(net, inputs, targets);
      loss.backward();
      clip_grad_norm_(net.parameters(), 1.0);
      optimizer.step();
      schedule.step();
      loss_sum += loss.item();
      bar.advance({{"loss", loss.item()}, {"lr", optimizer.lr()}});
      const std::int64_t step = run.steps() + 1;
      if (step % options.eval_every == 0 || step == options.steps) {
        const std::int64_t rest = step % options.eval_every;
        validation = validation_loss(net, validation_windows, options.batch_size);
        const Metrics row = {{"step", static_cast<double>(step)},
                             {"train_loss", loss_sum / static_cast<double>(rest == 0 ? options.eval_every : rest)},
                             {"validation_loss", validation}};
        loss_sum = 0.0;
        run.write(row);
        log(LogLevel::info, "step ", step, ": training loss ", row[1].second, ", validation loss ", validation, "\n",
            write_text(net, vocabulary, options, options.seed + static_cast<std::uint64_t>(step)));
      }
      run.end_step();
      if (run.steps() == options.steps) {
        break;
      }
    }
  }
  bar.finish();
  run.save();
  std::string characters;
  for (std::int64_t token = 0; token < vocabulary.size(); ++token) {
    characters += vocabulary.character(token);
  }
  save_safetensors(run.path("model.safetensors"), net, {{"format", "pt"}, {"vocabulary", characters}});
  std::cout << "validation loss: " << validation << " per character\nsample:\n"
            << write_text(net, vocabulary, options, options.seed) << "\nwrote "
            << run.path("model.safetensors").string() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  return lab::run_program("char_gpt", [&] {
    Options options;
    options.out = "out/char_gpt";
    lab::CommandLine line("char_gpt",
                          "Trains a small transformer to write text, character by character, and prints samples. Can "
                          "be stopped at any\nmoment; --resume continues as if it had not been.",
                          "Writes into the folder of --out: checkpoint.safetensors (what --resume needs), "
                          "model.safetensors (weights and vocabulary), metrics.csv, metrics.jsonl and train.log.\n"
                          "Exit code: 0 done, 2 wrong input or a file that cannot be read or written, 1 any other "
                          "error.");
    line.add("--data", options.data, "A file of UTF-8 text. Default: stories made by the program");
    line.add("--steps", options.steps, "Steps of the optimizer", {2.0, 1e9});
    line.add("--batch-size", options.batch_size, "Pieces of text per step", lab::kAtLeastOne);
    line.add("--context", options.context, "Characters of a piece, and most that the model sees", {2.0, 1e6});
    line.add("--layers", options.layers, "Layers of the transformer", lab::kAtLeastOne);
    line.add("--heads", options.heads, "Heads of the attention; a divisor of --features", lab::kAtLeastOne);
    line.add("--features", options.features, "Features of each character", lab::kAtLeastOne);
    line.add("--dropout", options.dropout, "Probability of dropping a value in training", {0.0, 1.0});
    line.add("--norm", options.norm, "Norm of the layers, such as layer, rms or rms:eps=1e-6; see docs/norms.md");
    line.add("--lr", options.lr, "Highest learning rate, after a tenth of the steps", lab::kAboveZero);
    line.add("--weight-decay", options.weight_decay, "Of weights; biases and the parameters of norms have none");
    line.add("--eval-every", options.eval_every, "Steps from one row of metrics and sample to the next",
             lab::kAtLeastOne);
    line.add("--prompt", options.prompt, "The beginning of the samples");
    line.add("--sample", options.sample, "Characters of a sample");
    line.add("--temperature", options.temperature, "Below 1: likelier characters; above 1: more surprising ones",
             lab::kAboveZero);
    line.add_run_options(options);
    if (line.parse(argc, argv)) {
      train(options);
    }
    return 0;
  });
}
