#include "sim/request_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "sim/quadrature.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 28;
constexpr std::int64_t kMostRequests = std::int64_t{1} << 40;

void check_count(const char* option, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most) {
    throw UserError(fmt::format("{}: {} is not a whole number from 1 to {}", option, value, most));
  }
}

/// A pass of one kind, and how many of all passes are of it.
struct PartOfPasses {
  double weight = 1;
  Batch batch;
};

class Stream {
 public:
  Stream(const Deployment& deployment, const RequestStream& stream)
      : deployment_(deployment),
        stream_(stream),
        prompt_(static_cast<double>(stream.prompt)),
        generated_(static_cast<double>(stream.generated)),
        cached_(mean_cached(stream)),
        steps_(deployment.plan, *deployment.cost) {}

  StreamPace pace() {
    StreamBound bound{};
    running_ = requests_at_once(bound);
    steps_.only_totals();
    const Seconds pass = time_of(passes(entering(), 1, generated_ - 1));
    return {pass, PerSecond{entering() * generated_ / pass.value}};
  }

  StreamPrediction predict() {
    StreamPrediction out;
    running_ = requests_at_once(out.bound);
    out.running = running_;
    out.entering = entering();
    out.prompt_tokens = out.entering * prompt_;
    out.decoded_tokens = out.entering * (generated_ - 1);
    out.memory = memory_of(running_);
    out.cache = cache_of(out.memory);
    describe_pass(out);
    out.request = out.pass.seconds * generated_;
    out.output_tokens = PerSecond{out.entering * generated_ / out.pass.seconds.value};
    out.total_tokens = PerSecond{out.entering * (prompt_ + generated_) / out.pass.seconds.value};
    if (stream_.requests) {
      out.batch = batch_of(static_cast<double>(*stream_.requests), out.pass.seconds);
    }
    return out;
  }

 private:
  double entering() const { return running_ / generated_; }
  double pass_tokens(double running) const { return running / generated_ * (prompt_ + generated_ - 1); }

  /// Of a prompt, tokens that a pass takes where fewer than one enters in each.
  double tokens_of_prompt(double running) const {
    const double decodes = running / generated_ * (generated_ - 1);
    return stream_.pass_tokens
               ? std::clamp(static_cast<double>(*stream_.pass_tokens) - decodes, std::min(2.0, prompt_), prompt_)
               : prompt_;
  }

  ReplicaMemory memory_of(double running) const {
    const double whole = running < generated_ && stream_.pass_tokens
                             ? tokens_of_prompt(running) + running / generated_ * (generated_ - 1)
                             : most_pass_tokens(stream_, running);
    return replica_memory(deployment_.plan, {.sequences = running,
                                             .context = cached_,
                                             .prompt = prompt_,
                                             .step_tokens = std::ceil(whole / deployment_.plan.mapping().data),
                                             .reserve_fraction = deployment_.cost->reserve_fraction()});
  }

  Bytes cache_of(const ReplicaMemory& memory) const {
    const double devices = deployment_.plan.mapping().devices();
    return (memory.device.kv + memory.device.state) * devices + memory.host.kv + memory.storage.kv;
  }

  /// What keeps `running` requests from running at once; `asked`: nothing.
  StreamBound bound_of(double running) const {
    if (stream_.pass_tokens && pass_tokens(running) > static_cast<double>(*stream_.pass_tokens)) {
      return StreamBound::pass_tokens;
    }
    const ReplicaMemory memory = memory_of(running);
    if (stream_.cache && cache_of(memory) > *stream_.cache) {
      return StreamBound::cache;
    }
    if (!memory.device.fits()) {
      return StreamBound::device_memory;
    }
    if (memory.host.total() > Bytes{0} && !memory.host.fits()) {
      return StreamBound::host_memory;
    }
    return memory.fits() ? StreamBound::asked : StreamBound::storage;
  }

  double requests_at_once(StreamBound& bound) const {
    const auto wanted = static_cast<double>(stream_.running.value_or(kMostRequests));
    double low = 0, high = 1;
    while (high < wanted && bound_of(high) == StreamBound::asked) {
      low = high;
      high = std::min(2 * high, wanted);
    }
    bound = bound_of(high);
    if (bound == StreamBound::asked) {
      return high;
    }
    while (high - low > 1) {
      const double middle = low + std::floor((high - low) / 2);
      (bound_of(middle) == StreamBound::asked ? low : high) = middle;
    }
    bound = bound_of(high);
    if (low < 1) {
      throw UserError(fmt::format("not even one request of {} + {} tokens can run: {} has no room", stream_.prompt,
                                  stream_.generated, to_text(bound)));
    }
    if (stream_.running) {
      throw UserError(fmt::format("--running: {} requests do not fit: {} has room for {}", *stream_.running,
                                  to_text(bound), static_cast<std::int64_t>(low)));
    }
    return low;
  }

  /// `each` requests of every age from `first` to `last` decode tokens: one group, unless windows of attention cost
  /// otherwise before they are full.
  void add_decodes(double each, double first, double last, Batch& batch) const {
    const double count = last - first + 1;
    if (count < 1) {
      return;
    }
    std::vector<Node> nodes;
    mean_nodes(deployment_.plan.architecture(), prompt_ + first - 1, prompt_ + last - 1, nodes);
    constexpr std::size_t kWithoutWindows = 3;
    if (nodes.size() <= kWithoutWindows) {
      batch.groups.push_back({each * count, 1, prompt_ + (first + last) / 2 - 1});
      return;
    }
    for (const Node& node : nodes) {
      batch.groups.push_back({each * count * node.weight, 1, node.context});
    }
  }

  /// Passes in which `prompts` requests enter and those decode that have from `first` to `last` tokens.
  std::vector<PartOfPasses> passes(double prompts, double first, double last) const {
    Batch decodes;
    add_decodes(entering(), first, last, decodes);
    if (prompts <= 0) {
      return {{1, decodes}};
    }
    if (prompts >= 1) {
      decodes.groups.insert(decodes.groups.begin(), {prompts, prompt_, 0});
      return {{1, decodes}};
    }
    // Fewer than one a pass: some passes have a prompt, or a piece of one, and the others none.
    const double piece = tokens_of_prompt(running_), share = std::min(1.0, prompts * prompt_ / piece);
    Batch with = decodes;
    with.groups.insert(with.groups.begin(), {1, piece, (prompt_ - piece) / 2});
    if (share >= 1 || decodes.groups.empty()) {
      return {{share, with}};
    }
    return {{share, with}, {1 - share, decodes}};
  }

  Seconds time_of(const std::vector<PartOfPasses>& parts) {
    Seconds sum;
    for (const PartOfPasses& part : parts) {
      steps_.pass(part.batch, {}, graph_, pass_);
      sum += pass_.slowest.total * part.weight;
    }
    return sum;
  }

  void describe_pass(StreamPrediction& out) {
    PhaseTimes phase;
    for (const PartOfPasses& part : passes(entering(), 1, generated_ - 1)) {
      steps_.ideal_pass(part.batch, {.balanced_routing = true, .overlap = false}, graph_, pass_);
      phase.add_limit(pass_.slowest, part.weight);
      steps_.pass(part.batch, {}, graph_, pass_);
      phase.whole.add(pass_.slowest, part.weight);
    }
    phase.unchunked = phase.predicted = phase.whole.total;
    out.pass = phase_prediction(phase, graph_, deployment_);
    out.pass_interval = interval_of(kind_spreads(graph_, deployment_.plan.view(), *deployment_.cost).relative(),
                                    out.pass.limit.seconds / out.pass.seconds);
  }

  /// Requests enter evenly in all passes but the last `generated` - 1, whose number falls as it grew at first.
  StreamBatch batch_of(double requests, Seconds steady) {
    if (requests < running_) {
      throw UserError(
          fmt::format("--requests: {} are fewer than the {} that run at once; --running {} or less, or moesaic predict "
                      "for a batch that comes together",
                      static_cast<std::int64_t>(requests), static_cast<std::int64_t>(running_),
                      static_cast<std::int64_t>(requests)));
    }
    const double ends = generated_ - 1;
    StreamBatch batch;
    batch.passes = requests / entering() + ends;
    batch.total = steady * (batch.passes - 2 * ends);
    std::vector<Node> nodes;
    if (ends > 0) {
      mean_nodes({}, 1, ends, nodes);
    }
    for (const Node& node : nodes) {
      const double age = node.context;
      batch.total += time_of(passes(entering(), 1, age - 1)) * (ends * node.weight);
      batch.total += time_of(passes(0, age, ends)) * (ends * node.weight);
    }
    batch.output_tokens = PerSecond{requests * generated_ / batch.total.value};
    return batch;
  }

  const Deployment& deployment_;
  const RequestStream& stream_;
  double prompt_, generated_, cached_;
  double running_ = 0;
  PipelinedStep steps_;
  StepGraph graph_;
  StagePass pass_;
};

}  // namespace

std::string_view to_text(StreamBound bound) {
  constexpr std::array<std::string_view, 6> kWords = {"what was asked",         "the cache's budget (--cache)",
                                                      "a pass (--pass-tokens)", "the device's memory",
                                                      "the host's memory",      "the host's storage"};
  return kWords[static_cast<std::size_t>(bound)];
}

double mean_cached(const RequestStream& stream) {
  const auto prompt = static_cast<double>(stream.prompt), block = static_cast<double>(stream.block);
  // Whole blocks: the sum over j of ceil((p + j) / b), block by block.
  const auto generated = static_cast<double>(stream.generated);
  double sum = 0;
  for (double j = 0; j < generated;) {
    const double blocks = std::ceil((prompt + j) / block);
    const double alike = std::min(generated - j, blocks * block - (prompt + j) + 1);
    sum += alike * blocks * block;
    j += alike;
  }
  return sum / generated;
}

double most_pass_tokens(const RequestStream& stream, double running) {
  const auto prompt = static_cast<double>(stream.prompt), generated = static_cast<double>(stream.generated);
  const double entering = running / generated;  // fewer than one: some passes have a whole prompt
  return entering < 1 ? prompt + entering * (generated - 1) : entering * (prompt + generated - 1);
}

namespace {

void check(const Deployment& deployment, const RequestStream& stream) {
  check_count("--input", stream.prompt, kMostTokens);
  check_count("--output", stream.generated, kMostTokens);
  check_count("--block", stream.block, kMostTokens);
  check_count("--running", stream.running.value_or(1), kMostRequests);
  check_count("--pass-tokens", stream.pass_tokens.value_or(1), kMostTokens);
  check_count("--requests", stream.requests.value_or(1), kMostRequests);
  if (deployment.plan.mapping().pipeline > 1) {
    throw UserError("--map: passes of a stream go through all layers on every device; pp=1, or moesaic serve");
  }
}

}  // namespace

StreamPace stream_pace(const Deployment& deployment, const RequestStream& stream) {
  check(deployment, stream);
  return Stream(deployment, stream).pace();
}

StreamPrediction predict_stream(const Deployment& deployment, const RequestStream& stream) {
  check(deployment, stream);
  return Stream(deployment, stream).predict();
}

}  // namespace moesaic
