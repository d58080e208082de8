#include "sim/step_pieces.hpp"

#include <algorithm>
#include <bit>

namespace moesaic {
namespace {

constexpr std::size_t kMostPieces = std::size_t{1} << 18;  // about 70 MB a thread

bool routed(const StepPlan& plan, const StepPart& part) {
  return part.what == StepPart::What::feed_forward &&
         std::holds_alternative<MoeFeedForward>(plan.architecture().kinds[part.kind].feed_forward);
}

/// The first kind of layer with the same attention.
std::size_t same_attention(const Architecture& architecture, std::size_t kind) {
  std::size_t first = 0;
  while (!(architecture.kinds[first].attention == architecture.kinds[kind].attention)) {
    ++first;
  }
  return first;
}

}  // namespace

std::size_t StepPieces::KeyHash::operator()(const Key& key) const {
  std::uint64_t hash = 0;
  for (const double value : key) {
    hash = (std::rotl(hash, 23) ^ std::bit_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15ULL;
  }
  return hash ^ (hash >> 32);
}

const StepPieces::Piece& StepPieces::piece(const StepPlan& plan, const CostModel& cost, const StepPart& part,
                                           const StepOptions& options, bool limit) {
  const Mapping& mapping = plan.mapping();
  const MachineView& view = plan.view();
  const BatchGroup& group = batch_.groups.front();
  // How many ranks share the host, and whether there is a network, is all that a view has of the replica's size.
  const double host_ranks = view.has_host() ? view.host_ranks : 0;
  const double sharing = view.network ? -1 - host_ranks : host_ranks;
  const double kind = static_cast<double>(part.kind);
  Key key{static_cast<double>(part.what) + (limit ? 16 : 0),
          kind,
          sharing,
          static_cast<double>(mapping.tensor),
          static_cast<double>(mapping.context),
          (mapping.sequence ? 1.0 : 0.0) + (mapping.context_ring ? 2.0 : 0.0),
          batch_.sequences,
          batch_.tokens};
  const bool own = routed(plan, part);
  if (part.what == StepPart::What::attention) {
    key[8] = group.sequences;
    key[9] = group.new_tokens;
    key[10] = group.context;
  } else if (part.what == StepPart::What::transfers) {
    key[8] = mapping.pipeline;
    key[9] = mapping.stage_devices();
    key[10] = part.transfers;
  } else if (own) {
    key[8] = batch_.replica_tokens;
    key[9] = mapping.data;
    key[10] = mapping.expert;
    key[11] = mapping.expert_tensor();
    key[12] = batch_.decodes ? 1 : 0;
  }
  Pieces& pieces = own ? of_mapping_ : shared_;
  if (pieces.size() >= kMostPieces) {
    pieces.clear();
  }
  const auto [at, fresh] = pieces.try_emplace(key);
  Piece& result = at->second;
  if (fresh) {
    StepBuilder(plan).build_part(part, batch_, options, graph_);
    result.closed = graph_.closed && view.resources.size() <= kMostResources;
    if (result.closed && limit) {
      moesaic::evaluate_ideal(graph_, view, cost, times_);
      std::copy(times_.busy.begin(), times_.busy.end(), result.busy.begin());
    } else if (result.closed) {
      evaluate_step(graph_, view, cost, times_);
      result.device = times_.parts.device;
      result.unshared = times_.parts.unshared;
      result.launches = times_.parts.launches;
    }
    result.ideal = times_.ideal;
  }
  return result;
}

/// Calls visit(piece, how often it is in the step) for all parts; false as soon as one is not closed.
template <class Visit>
bool StepPieces::visit(const StepPlan& plan, const CostModel& cost, const Batch& batch, const StepOptions& options,
                       bool limit, Visit visit) {
  const bool overlaps = options.overlap && plan.features().overlap.kind != OverlapKind::none;
  if (batch.groups.size() != 1 || overlaps) {
    return false;
  }
  share_batch(batch, plan.mapping(), batch_);
  const Architecture& architecture = plan.architecture();
  const PipelineStage* stage = options.stage ? &plan.stages()[static_cast<std::size_t>(*options.stage)] : nullptr;
  const double transfers = stage != nullptr ? (stage->last ? 0 : 1) : plan.mapping().pipeline - 1;
  const auto add = [&](const StepPart& part, double executions) {
    const Piece& found = piece(plan, cost, part, options, limit);
    if (found.closed) {
      visit(found, executions);
    }
    return found.closed;
  };
  bool closed = (stage != nullptr && !stage->first) || add({.what = StepPart::What::input}, 1);
  for (std::size_t kind = 0; closed && kind < architecture.kinds.size(); ++kind) {
    const auto layers = static_cast<double>(stage != nullptr ? stage->layers_of_kind[kind]
                                                             : architecture.count_of_kind(static_cast<int>(kind)));
    closed = add({StepPart::What::attention, same_attention(architecture, kind)}, layers) &&
             add({StepPart::What::feed_forward, kind}, layers);
  }
  closed = closed && (transfers <= 0 || add({StepPart::What::transfers, 0, transfers}, 1));
  return closed && ((stage != nullptr && !stage->last) || add({StepPart::What::output}, 1));
}

bool StepPieces::evaluate(const StepPlan& plan, const CostModel& cost, const Batch& batch, const StepOptions& options,
                          StepTimes& out) {
  StepParts parts;
  Seconds ideal;
  const bool closed = visit(plan, cost, batch, options, false, [&](const Piece& part, double executions) {
    ideal += part.ideal * executions;
    parts.device += part.device * executions;
    parts.unshared += part.unshared * executions;
    parts.launches += part.launches * executions;
  });
  if (closed) {
    parts.sequences = batch_.sequences;
    parts.tokens = batch_.tokens;
    parts.captured = batch_.decodes;
    out.ideal = ideal;
    out.parts = parts;
    out.total = cost.software().step(parts);
  }
  return closed;
}

bool StepPieces::evaluate_limit(const StepPlan& plan, const CostModel& cost, const Batch& batch,
                                const StepOptions& options, StepTimes& out) {
  Seconds ideal;
  std::array<double, kMostResources> busy{};
  const bool closed = visit(plan, cost, batch, options, true, [&](const Piece& part, double executions) {
    ideal += part.ideal * executions;
    for (std::size_t i = 0; i < busy.size(); ++i) {
      busy[i] += part.busy[i] * executions;
    }
  });
  if (closed) {
    out.ideal = ideal;
    out.busy.assign(busy.begin(), busy.begin() + static_cast<std::ptrdiff_t>(plan.view().resources.size()));
  }
  return closed;
}

}  // namespace moesaic
