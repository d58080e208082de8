#include "calibrate/model_shapes.hpp"

#include <map>

#include "base/catalog.hpp"

namespace moesaic {
namespace {

/// Counts how often a shape is asked for.
template <class Shape>
class Tally {
 public:
  void add(const Shape& shape) { ++counts_[shape]; }

  std::vector<Shape> sorted() const {
    std::vector<std::pair<int, Shape>> all;
    all.reserve(counts_.size());
    for (const auto& [shape, count] : counts_) {
      all.emplace_back(-count, shape);
    }
    std::sort(all.begin(), all.end());
    std::vector<Shape> shapes;
    shapes.reserve(all.size());
    for (const auto& [count, shape] : all) {
      shapes.push_back(shape);
    }
    return shapes;
  }

 private:
  std::map<Shape, int> counts_;
};

class Collector {
 public:
  void add(const Architecture& model) {
    for (const std::int64_t devices : {1, 2, 4, 8}) {
      devices_ = devices;
      hidden_ = model.hidden;
      product(divided(model.vocabulary), hidden_);
      for (const LayerKind& kind : model.kinds) {
        std::visit([this](const auto& attention) { add(attention); }, kind.attention);
        std::visit([this](const auto& feed_forward) { add(feed_forward); }, kind.feed_forward);
      }
    }
    hidden_sizes_.add(model.hidden);
  }

  ModelShapes shapes() const {
    return {products_.sorted(), heads_.sorted(),        latent_.sorted(), states_.sorted(),
            experts_.sorted(),  hidden_sizes_.sorted(), inner_.sorted()};
  }

 private:
  std::int64_t divided(std::int64_t value) const { return value % devices_ == 0 ? value / devices_ : 0; }

  void product(std::int64_t n, std::int64_t k) {
    if (n > 0 && k > 0) {
      products_.add({n, k});
    }
  }

  void add(const SoftmaxAttention& a) {
    const std::int64_t heads = divided(a.heads);
    if (heads == 0) {
      return;
    }
    // Devices share a head of keys and values where there are fewer heads than devices.
    const std::int64_t kv_heads = std::max<std::int64_t>(1, a.kv_heads / devices_);
    product((heads + kv_heads) * a.qk_dim + kv_heads * a.v_dim, hidden_);
    product(hidden_, heads * a.v_dim);
    if (a.qk_dim == a.v_dim) {
      heads_.add({heads, kv_heads, a.qk_dim, a.chunked ? 0 : a.window});
    }
  }
  void add(const LatentAttention& a) {
    const std::int64_t heads = divided(a.heads), queries = heads * (a.nope_dim + a.rope_dim);
    product(a.q_rank + a.kv_rank + a.rope_dim, hidden_);
    product(queries, a.q_rank > 0 ? a.q_rank : hidden_);
    product(heads * (a.nope_dim + a.v_dim), a.kv_rank);
    product(hidden_, heads * a.v_dim);
    if (heads > 0) {
      latent_.add(heads);
    }
  }
  void add(const LightningAttention& a) {
    const std::int64_t heads = divided(a.heads);
    product(3 * heads * a.head_dim, hidden_);
    product(hidden_, heads * a.head_dim);
    if (heads > 0) {
      states_.add({heads, a.head_dim});
    }
  }
  void add(const GatedDeltaNet& a) {
    const std::int64_t heads = divided(a.value_heads);
    product(2 * divided(a.key_heads) * a.key_dim + 2 * heads * a.value_dim, hidden_);
    product(hidden_, heads * a.value_dim);
  }

  void dense(std::int64_t width, int matrices) {
    const std::int64_t own = divided(width);
    product((matrices - 1) * own, hidden_);
    product(hidden_, own);
    if (own > 0 && matrices == 3) {
      inner_.add(own);
    }
  }
  void add(const DenseFeedForward& f) { dense(f.width, f.matrices); }
  void add(const MoeFeedForward& f) {
    product(f.experts, hidden_);
    dense(f.shared_width, f.matrices);
    const std::int64_t own = divided(f.width);
    if (own > 0 && f.matrices == 3) {
      experts_.add({hidden_, f.width, f.experts_per_token, f.experts, devices_});
      inner_.add(own);
    }
  }

  std::int64_t devices_ = 1;
  std::int64_t hidden_ = 0;
  Tally<ProductShape> products_;
  Tally<HeadShape> heads_;
  Tally<std::int64_t> latent_;
  Tally<StateShape> states_;
  Tally<RoutedShape> experts_;
  Tally<std::int64_t> hidden_sizes_;
  Tally<std::int64_t> inner_;
};

}  // namespace

ModelShapes model_shapes(std::span<const Architecture> models) {
  Collector collector;
  for (const Architecture& model : models) {
    collector.add(model);
  }
  return collector.shapes();
}

std::vector<Architecture> shipped_models() {
  std::vector<Architecture> models;
  for (const CatalogEntry& entry : list_catalog("models")) {
    models.push_back(read_architecture(Config::load(entry.file)));
  }
  return models;
}

}  // namespace moesaic
