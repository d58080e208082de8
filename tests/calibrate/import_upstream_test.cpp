// Unit: files as other projects publish them. All numbers are made up.
#include <gtest/gtest.h>

#include "tests/calibrate/measurement_files.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

/// One row of an aiconfigurator table: common columns, then `columns` with `values`.
std::string aiconfigurator(const std::string& operation, const std::string& columns, const std::string& values) {
  return only_row("framework,version,device,op_name,kernel_source," + columns +
                      ",latency\nVLLM,0.19.0,NVIDIA H100 80GB HBM3," + operation + ",kernel," + values + ",0.25\n",
                  "perf.txt");
}

TEST(Aiconfigurator, TablesAreRead) {
  const std::string start = " h100-sxm vllm-0.19.0 ";
  EXPECT_EQ(aiconfigurator("gemm", "gemm_dtype,m,n,k", "fp8_block,3,5,7"),
            "gemm" + start + "fp8-block - kernel | n=5 k=7 m=3 | 250 us");
  const std::string attention =
      "batch_size,isl,num_heads,num_key_value_heads,head_dim,beam_width,attn_dtype,kv_cache_dtype,step";
  EXPECT_EQ(aiconfigurator("context_attention", attention + ",window_size", "2,99,8,1,64,1,float16,fp8,0,128"),
            "attention_prefill" + start +
                "bf16 fp8 kernel | num_q_heads=8 num_kv_heads=1 head_dim=64 batch=2 seq_len=99 prefix_len=0 window=128"
                " | 250 us");
  // The token of this step is in the cache too.
  EXPECT_EQ(aiconfigurator("generation_attention", attention, "2,1,8,1,64,1,bfloat16,bfloat16,99"),
            "attention_decode" + start +
                "bf16 bf16 kernel | num_q_heads=8 num_kv_heads=1 head_dim=64 batch=2 kv_len=100 window=0 | 250 us");
  const std::string latent = "mla_dtype,kv_cache_dtype,num_heads,batch_size,isl,tp_size,step";
  EXPECT_EQ(aiconfigurator("mla_context", latent, "bfloat16,fp8,16,2,99,8,4"),
            "mla_prefill" + start + "bf16 fp8 kernel | heads=16 batch=2 seq_len=99 prefix_len=4 | 250 us");
  EXPECT_EQ(aiconfigurator("mla_generation", latent, "bfloat16,fp8,16,2,1,8,99"),
            "mla_decode" + start + "bf16 fp8 kernel | heads=16 batch=2 kv_len=100 | 250 us");
  const std::string module =
      "model,architecture,mla_dtype,kv_cache_dtype,gemm_type,num_heads,batch_size,isl,tp_size,step";
  EXPECT_EQ(aiconfigurator("mla_context_module", module, "m,a,bfloat16,fp8,fp8_block,16,2,99,1,0"),
            "mla_prefill_module" + start + "fp8-block fp8 kernel | heads=16 batch=2 seq_len=99 prefix_len=0 | 250 us");
  EXPECT_EQ(aiconfigurator("mla_generation_module", module, "m,a,fp8,fp8,nvfp4,16,2,1,1,99"),
            "mla_decode_module" + start + "nvfp4 fp8 kernel/q-fp8 | heads=16 batch=2 kv_len=99 | 250 us");
  EXPECT_EQ(aiconfigurator("mla_gen_post", "bmm_dtype,num_tokens,num_heads", "fp8,6,4"),
            "mla_bmm" + start + "fp8 - post | heads=4 num_tokens=6 | 250 us");
  EXPECT_EQ(aiconfigurator("scale_matrix", "m,k,quant_dtype", "4,6,fp8"),
            "quantize" + start + "fp8 - scale_matrix/kernel | k=6 m=4 | 250 us");
}

TEST(Aiconfigurator, TablesOfExpertsAreRead) {
  const std::string columns =
      "moe_dtype,num_tokens,hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size,distribution";
  EXPECT_EQ(aiconfigurator("moe", columns, "w4a16_mxfp4,32,64,48,2,8,2,4,power_law_1.2"),
            "moe h100-sxm vllm-0.19.0 mxfp4 - kernel | hidden=64 inter=48 topk=2 num_experts=8 matrices=3 moe_tp=2 "
            "moe_ep=4 skew=1.2 num_tokens=32 | 250 us");
  const ReadResult deepep =
      read_text("framework,version,device,op_name,kernel_source," + columns +
                    ",latency\nSGLang,0.5.10,h200_sxm,moe_context,deepepmoe,fp8_block,32,64,48,2,8,"
                    "1,4,uniform,1\n",
                "perf.txt");
  EXPECT_EQ(row_text(deepep.measurements, 0),
            "wide_ep_moe h200 sglang-0.5.10 fp8-block - deepepmoe/context | hidden=64 inter=48 topk=2 num_experts=8 "
            "num_slots=8 moe_ep=4 skew=0 balanced_by_copies=0 num_tokens=32 | 1000 us");
  EXPECT_EQ(
      aiconfigurator("wideep_moe", columns + ",num_slots", "fp8_block,32,64,48,2,8,1,4,power_law_1.2_eplb,10"),
      "wide_ep_moe h100-sxm vllm-0.19.0 fp8-block - kernel | hidden=64 inter=48 topk=2 num_experts=8 num_slots=10 "
      "moe_ep=4 skew=1.2 balanced_by_copies=1 num_tokens=32 | 250 us");
}

TEST(Aiconfigurator, MessagesAreCountedInElements) {
  EXPECT_EQ(
      aiconfigurator("alltoall", "nccl_dtype,num_gpus,message_size", "half,8,1024"),
      "collective h100-sxm nccl-0.19.0 fp16 - all_to_all | message_bytes=2048 num_gpus=8 gpus_per_node=8 | 250 us");
  EXPECT_EQ(
      aiconfigurator("all_reduce", "nccl_dtype,num_gpus,message_size", "int8,8,1024"),
      "collective h100-sxm nccl-0.19.0 int8 - all_reduce | message_bytes=1024 num_gpus=8 gpus_per_node=8 | 250 us");
  EXPECT_EQ(
      only_row("framework,version,device,op_name,kernel_source,allreduce_dtype,num_gpus,message_size,latency,"
               "implementation\nVLLM,0.19.0,NVIDIA H200,all_reduce,custom,bfloat16,4,128,0.004,vllm\n"),
      "collective h200 vllm-0.19.0 bf16 - all_reduce/custom | message_bytes=256 num_gpus=4 gpus_per_node=4 | 4 us");
}

TEST(Aiconfigurator, TablesOfDeepepAreRead) {
  const ReadResult normal = read_text(
      "framework,version,device,op_name,node_num,kernel_source,hidden_size,num_token,num_topk,num_experts,dispatch_sms,"
      "dispatch_transmit_us,dispatch_notify_us,combine_sms,combine_transmit_us,combine_notify_us\n"
      "sglang,0.5.0,NVIDIA H200,normal,2,deepep,7168,64,8,256,20,30,5,24,40,3\n",
      "perf.txt");
  EXPECT_EQ(row_text(normal.measurements, 1),
            "expert_exchange h200 deepep-sglang-0.5.0 bf16 - normal_combine | hidden=7168 topk=8 num_experts=256 "
            "num_gpus=16 num_nodes=2 num_sms=24 tokens_per_rank=64 | 43 us");
  const ReadResult low = read_text(
      "framework,version,device,op_name,node_num,kernel_source,hidden_size,num_token,num_topk,num_experts,"
      "combine_avg_t_us,combine_bandwidth_gbps,dispatch_avg_t_us,dispatch_bandwidth_gbps\n"
      "sglang,0.5.0,NVIDIA H200,ll,1,deepep,7168,64,8,256,40,1,30,2\n",
      "perf.txt");
  EXPECT_EQ(row_text(low.measurements, 0),
            "expert_exchange h200 deepep-sglang-0.5.0 fp8 - low_latency_dispatch | hidden=7168 topk=8 num_experts=256 "
            "num_gpus=8 num_nodes=1 num_sms=0 tokens_per_rank=64 | 30 us");
}

TEST(Aiconfigurator, RowsOfOtherOperatorsAndDifferencesOfNothingAreLeftOut) {
  const ReadResult read = read_text(
      "framework,version,device,op_name,kernel_source,m,k,quant_dtype,latency\n"
      "VLLM,1,NVIDIA L40S,compute_scale,torch,4,6,fp8,0.0\nVLLM,1,NVIDIA L40S,compute_scale,torch,4,6,fp8,0.001\n");
  EXPECT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(read.skipped.at(0).rows, 1u);
  const std::string sparse =
      "framework,version,device,op_name,kernel_source,model,architecture,mla_dtype,kv_cache_dtype,gemm_type,num_heads,"
      "batch_size,isl,tp_size,step,latency\nVLLM,1,NVIDIA "
      "L40S,dsa_context_module,x,m,a,bfloat16,fp8,fp8,8,1,64,1,0,1\n";
  EXPECT_NE(user_error([&] { return read_text(sparse); }).find("no measurements"), std::string::npos);
}

TEST(Vidur, ComputeTakesTheDeviceFromThePath) {
  const std::string text =
      "time_stats.mlp_up_proj.min,time_stats.mlp_up_proj.median,time_stats.add.median,n_head,n_kv_head,n_embd,"
      "n_expanded_embd,vocab_size,use_gated_mlp,num_tokens,num_tensor_parallel_workers\n"
      "0.1,0.2,0.03,8,8,1024,4096,32000,False,16,2\n";
  const ReadResult read = read_text(text, "profiling/compute/a40/org/model/mlp.csv");
  EXPECT_EQ(row_text(read.measurements, 0), "gemm a40 vidur fp16 - mlp_up_proj | n=2048 k=1024 m=16 | 200 us");
  EXPECT_EQ(row_text(read.measurements, 1), "elementwise a40 vidur fp16 - residual | width=1024 num_tokens=16 | 30 us");
  const ReadResult elsewhere = read_text(text, "mlp.csv");
  EXPECT_EQ(elsewhere.measurements.keys[0].device, "unknown");
}

TEST(Vidur, NetworkCountsOneRank) {
  const ReadResult read = read_text(
      ",time_stats.all_reduce.min,time_stats.all_reduce.median,rank,num_workers,size,collective,devices_per_node,"
      "max_devices_per_node\n0,0.01,0.02,0,4,2048,all_reduce,4,8\n1,0.01,0.03,1,4,2048,all_reduce,4,8\n",
      "network/h100_dgx/all_reduce.csv");
  ASSERT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(row_text(read.measurements, 0),
            "collective h100-sxm vidur fp16 - all_reduce | message_bytes=2048 num_gpus=4 gpus_per_node=4 | 20 us");
}

TEST(GoogleBenchmark, NamesCarryTheShapeAndLabelsTheRest) {
  const std::string text = R"({
    "context": {"date": "today", "num_cpus": 2, "device": "cpu", "stack": "openblas-0.3.21"},
    "benchmarks": [
      {"name": "gemm/m:16/n:32/k:64/real_time/threads:2", "run_name": "gemm/m:16/n:32/k:64/real_time/threads:2",
       "run_type": "iteration", "real_time": 2.5, "cpu_time": 9, "time_unit": "ms", "label": "dtype=f32 kernel=sgemm"},
      {"name": "gemm/m:16/n:32/k:64_median", "run_name": "gemm/m:16/n:32/k:64", "run_type": "aggregate",
       "aggregate_name": "median", "real_time": 9, "cpu_time": 9, "time_unit": "ms", "label": "dtype=f32"},
      {"name": "BM_parse", "run_type": "iteration", "real_time": 1, "cpu_time": 1, "time_unit": "ns"}]})";
  const ReadResult read = read_text(text, "b.json");
  ASSERT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(row_text(read.measurements, 0), "gemm cpu openblas-0.3.21 f32 - sgemm | n=32 k=64 m=16 | 2500 us");
  EXPECT_EQ(read.skipped.at(0).first_reason, "entry 3: BM_parse is not the name of an operator");
}

TEST(GoogleBenchmark, MediansCountWhereThereAreOnlyAggregates) {
  const auto aggregate = [](const std::string& kind, const std::string& time) {
    return R"({"name": "x", "run_name": "gemm/m:1/n:2/k:4", "run_type": "aggregate", "aggregate_name": ")" + kind +
           R"(", "real_time": )" + time + R"(, "time_unit": "us", "label": "device=cpu stack=s dtype=f32"})";
  };
  const std::string text = R"({"context": {}, "benchmarks": [)" + aggregate("mean", "9") + "," +
                           aggregate("median", "7") + "," + aggregate("stddev", "1") + "]}";
  EXPECT_EQ(only_row(text, "b.json"), "gemm cpu s f32 - - | n=2 k=4 m=1 | 7 us");
}

TEST(GoogleBenchmark, FailedAndUnnamedRunsAreBadRows) {
  const std::string text = R"({"context": {"device": "cpu", "stack": "s", "dtype": "f32"}, "benchmarks": [
    {"name": "gemm/m:1/n:2/k:4", "error_occurred": true, "error_message": "no memory"},
    {"name": "gemm/1/2/4", "real_time": 1, "time_unit": "ns"},
    {"name": "gemm/m:1/n:2/k:4", "real_time": 1, "time_unit": "hours"},
    {"name": "gemm/m:1/n:2/k:4", "real_time": "1", "time_unit": "ns"},
    {"name": "gemm/m:1/n:2/k:4", "real_time": 1, "time_unit": "ns"}]})";
  const MeasurementFiles files;
  const ReadResult read = read_measurements({files.write("b.json", text)}, {1.0});
  EXPECT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(read.skipped.at(0).rows, 4u);
  EXPECT_EQ(read.skipped.at(0).first_reason, "entry 1: gemm/m:1/n:2/k:4: no memory");
}

TEST(Nvbench, AxesAreColumnsAndNumbersAreStrings) {
  const std::string text = R"({"meta": {"version": {"json": {"string": "1.0.0"}}},
    "devices": [{"id": 0, "name": "NVIDIA H100 80GB HBM3"}],
    "benchmarks": [{"name": "quantize", "states": [
      {"name": "Device=0", "device": 0, "axis_values": [
          {"name": "m", "type": "int64", "value": "16"}, {"name": "k", "type": "int64", "value": "4096"},
          {"name": "dtype", "type": "string", "value": "fp8"}, {"name": "kernel", "type": "string", "value": "mine"}],
       "summaries": [{"tag": "nv/cold/sample_size", "data": [{"name": "value", "type": "int64", "value": "100"}]},
          {"tag": "nv/cold/time/gpu/mean", "hint": "duration",
           "data": [{"name": "value", "type": "float64", "value": "1.25e-05"}]}],
       "is_skipped": false},
      {"name": "Device=0", "device": 0, "axis_values": null, "summaries": null, "is_skipped": true,
       "skip_reason": "too large"}]}]})";
  const ReadResult read = read_text(text, "n.json");
  ASSERT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(row_text(read.measurements, 0), "quantize h100-sxm nvbench fp8 - mine | k=4096 m=16 | 12.5 us");
  EXPECT_EQ(read.skipped.at(0).first_reason, "entry 2: too large");
}

}  // namespace
}  // namespace moesaic
