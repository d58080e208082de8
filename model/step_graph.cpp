#include "model/step_graph.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>
#include <sstream>

namespace moesaic {

void StepGraph::clear() {
  tasks.clear();
  layers.clear();
  blocks = nullptr;
  sequences = tokens = 0;
  only_decodes = false;
  batches = 1;
  serial = closed = true;
}

Work total_work(const StepGraph& graph) {
  Work total;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      total.flops += task.work.flops * layer.executions;
      total.weights += task.work.weights * layer.executions;
      total.activations += task.work.activations * layer.executions;
      total.kv += task.work.kv * layer.executions;
      total.wire += task.work.wire * layer.executions;
      total.network += task.work.network * layer.executions;
    }
  }
  return total;
}

std::string to_dot(const StepGraph& graph, const LayerGraph& layer) {
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;
  const auto tasks = graph.tasks_of(layer);
  Graph dependencies(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    for (const std::uint16_t before : tasks[i].after) {
      boost::add_edge(before, i, dependencies);
    }
  }
  std::ostringstream out;
  boost::write_graphviz(out, dependencies, [&](std::ostream& stream, std::size_t vertex) {
    stream << "[label=\"" << tasks[vertex].op.label << "\"]";
  });
  return out.str();
}

}  // namespace moesaic
