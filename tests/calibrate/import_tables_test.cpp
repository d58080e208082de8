// Unit: each published table becomes rows in our words. All numbers are made up.
#include <gtest/gtest.h>

#include "base/catalog.hpp"
#include "base/config.hpp"
#include "calibrate/import_layers.hpp"
#include "calibrate/import_names.hpp"
#include "tests/calibrate/measurement_files.hpp"

namespace moesaic {
namespace {

TEST(Names, AreTranslated) {
  const std::pair<const char*, const char*> devices[] = {
      {"a100_sxm", "a100-80gb-sxm"},
      {"h100_sxm", "h100-sxm"},
      {"h200_sxm", "h200"},
      {"b200_sxm", "b200"},
      {"b300_sxm", "b300"},
      {"gb200", "gb200"},
      {"gb300", "gb300"},
      {"l40s", "l40s"},
      {"b60", "intel-b60"},
      {"rtx_pro_6000_server", "rtx-pro-6000"},
      {"NVIDIA H100 80GB HBM3", "h100-sxm"},
      {"NVIDIA A100-SXM4-80GB", "a100-80gb-sxm"},
      {"NVIDIA H200", "h200"},
      {"NVIDIA L40S", "l40s"},
      {"NVIDIA B200", "b200"},
      {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"},
      {"Some New GPU", "some-new-gpu"}};
  for (const auto& [theirs, ours] : devices) {
    EXPECT_EQ(device_name(theirs), ours);
  }
  const std::pair<const char*, const char*> dtypes[] = {{"bfloat16", "bf16"},
                                                        {"half", "fp16"},
                                                        {"float16", "fp16"},
                                                        {"fp8", "fp8"},
                                                        {"fp8_block", "fp8-block"},
                                                        {"int8_wo", "int8-wo"},
                                                        {"int4_wo", "int4-wo"},
                                                        {"sq", "int8"},
                                                        {"nvfp4", "nvfp4"},
                                                        {"w4a16_mxfp4", "mxfp4"},
                                                        {"w4a8_mxfp4_mxfp8", "mxfp4-mxfp8"},
                                                        {"int8", "int8"},
                                                        {"", ""}};
  for (const auto& [theirs, ours] : dtypes) {
    EXPECT_EQ(dtype_name(theirs), ours);
  }
  EXPECT_EQ(stack_name("TRTLLM", "1.3.0rc20"), "trtllm-1.3.0rc20");
  EXPECT_EQ(skew("power_law_1.01_eplb"), 1.01);
  EXPECT_EQ(skew("uniform"), 0);
  EXPECT_EQ(balanced_by_copies("power_law_1.2_eplb"), 1);
  EXPECT_EQ(expert_matrices("torch_flow_nongated", 1, 1, 1, 1), 2);
  EXPECT_EQ(expert_matrices("triton", 2688, 1856, 6, 128), 2);
  EXPECT_EQ(expert_matrices("triton", 2048, 768, 8, 128), 3);
}

TEST(TidyTables, AreRead) {
  EXPECT_EQ(
      only_row("gpu,engine,engine_version,kernel,dtype,m,n,k,latency_us\nh100_sxm,vllm,0.24.0,f,bfloat16,3,5,7,2\n"),
      "gemm h100-sxm vllm-0.24.0 bf16 - f | n=5 k=7 m=3 | 2 us");
  EXPECT_EQ(only_row("gpu,engine,engine_version,kernel,q_dtype,kv_dtype,batch,num_q_heads,num_kv_heads,head_dim,window,"
                     "seq_len,latency_us\nl40s,vllm,0.24.0,fa,bfloat16,fp8,2,8,1,64,128,99,2\n"),
            "attention_prefill l40s vllm-0.24.0 bf16 fp8 fa | num_q_heads=8 num_kv_heads=1 head_dim=64 batch=2 "
            "seq_len=99 prefix_len=0 window=128 | 2 us");
  EXPECT_EQ(
      only_row("gpu,engine,engine_version,kernel,q_dtype,kv_dtype,batch,num_q_heads,num_kv_heads,head_dim,window,"
               "kv_len,latency_us\nl40s,vllm,0.24.0,fa,bfloat16,fp8,2,8,1,64,0,99,2\n"),
      "attention_decode l40s vllm-0.24.0 bf16 fp8 fa | num_q_heads=8 num_kv_heads=1 head_dim=64 batch=2 kv_len=99 "
      "window=0 | 2 us");
  EXPECT_EQ(only_row("gpu,engine,engine_version,kernel,q_dtype,kv_dtype,heads_per_gpu,batch,seq_len,prefix_len,"
                     "latency_us\nb200_sxm,trtllm,1,default,bfloat16,fp8,8,2,30,4,9\n"),
            "mla_prefill b200 trtllm-1 bf16 fp8 default | heads=8 batch=2 seq_len=30 prefix_len=4 | 9 us");
  EXPECT_EQ(only_row("gpu,engine,engine_version,kernel,q_dtype,kv_dtype,gemm_dtype,heads_per_gpu,batch,kv_len,"
                     "latency_us\nb200_sxm,trtllm,1,default,bfloat16,fp8,fp8_block,8,2,30,9\n"),
            "mla_decode_module b200 trtllm-1 fp8-block fp8 default | heads=8 batch=2 kv_len=30 | 9 us");
  // The format of the queries is no column of ours, so the kernel says it where it is not 16 bits.
  EXPECT_EQ(only_row("gpu,engine,engine_version,kernel,q_dtype,kv_dtype,gemm_dtype,heads_per_gpu,batch,seq_len,"
                     "prefix_len,latency_us\nb200_sxm,vllm,1,X,fp8,fp8,nvfp4,8,2,30,0,9\n"),
            "mla_prefill_module b200 vllm-1 nvfp4 fp8 X/q-fp8 | heads=8 batch=2 seq_len=30 prefix_len=0 | 9 us");
  EXPECT_EQ(
      only_row(
          "gpu,engine,engine_version,op,dtype,heads_per_gpu,num_tokens,latency_us\nl40s,t,1,mla_gen_pre,fp8,4,6,8\n"),
      "mla_bmm l40s t-1 fp8 - pre | heads=4 num_tokens=6 | 8 us");
  EXPECT_EQ(
      only_row("gpu,engine,engine_version,op,kernel,quant_dtype,m,k,latency_us\nl40s,t,1,scale,torch,fp8,4,6,8\n"),
      "quantize l40s t-1 fp8 - scale/torch | k=6 m=4 | 8 us");
}

TEST(TidyTables, OfExpertsTellSkewCopiesAndMatrices) {
  EXPECT_EQ(only_row("gpu,engine,engine_version,kernel,dtype,hidden,inter,topk,num_experts,moe_tp,moe_ep,distribution,"
                     "num_tokens,latency_us\nl40s,t,1,x,nvfp4,2688,1856,6,128,2,4,power_law_1.2,32,5\n"),
            "moe l40s t-1 nvfp4 - x | hidden=2688 inter=1856 topk=6 num_experts=128 matrices=2 moe_tp=2 moe_ep=4 "
            "skew=1.2 num_tokens=32 | 5 us");
  EXPECT_EQ(
      only_row("gpu,engine,engine_version,kernel,dtype,hidden,inter,topk,num_experts,num_slots,moe_ep,distribution,"
               "num_tokens,dp_num_tokens,rank0_num_tokens,latency_us\n"
               "l40s,t,1,x,fp8_block,64,32,2,8,10,4,power_law_1.2_eplb,32,8,9,5\n"),
      "wide_ep_moe l40s t-1 fp8-block - x | hidden=64 inter=32 topk=2 num_experts=8 num_slots=10 moe_ep=4 skew=1.2 "
      "balanced_by_copies=1 num_tokens=32 | 5 us");
  EXPECT_EQ(only_row("gpu,engine,engine_version,phase,kernel,dtype,hidden,inter,topk,num_experts,moe_ep,distribution,"
                     "num_tokens,latency_us\nl40s,t,1,context,x,fp8_block,64,32,2,8,4,uniform,32,5\n"),
            "wide_ep_moe l40s t-1 fp8-block - x/context | hidden=64 inter=32 topk=2 num_experts=8 num_slots=8 moe_ep=4 "
            "skew=0 balanced_by_copies=0 num_tokens=32 | 5 us");
}

TEST(TidyTables, OfUnknownRoutingAreLeftOutButNoError) {
  const ReadResult read = read_text(
      "gpu,engine,engine_version,kernel,dtype,hidden,inter,topk,num_experts,moe_tp,moe_ep,distribution,"
      "num_tokens,latency_us\nl40s,t,1,x,fp8,64,32,2,8,1,1,zipf,32,5\nl40s,t,1,x,fp8,64,32,2,8,1,1,balanced,32,5\n");
  EXPECT_EQ(read.measurements.rows.size(), 1u);
  ASSERT_EQ(read.skipped.size(), 1u);
  EXPECT_EQ(read.skipped[0].first_reason,
            "line 2: distribution: 'zipf' is not balanced, uniform or power_law_EXPONENT");
}

TEST(TidyTables, OfCollectivesAreRead) {
  EXPECT_EQ(only_row("gpu,library,library_version,collective,dtype,num_gpus,message_bytes,run,latency_us\n"
                     "h100_sxm,nccl,2.27.3,alltoall,half,8,512,0,6\n"),
            "collective h100-sxm nccl-2.27.3 fp16 - all_to_all | message_bytes=512 num_gpus=8 gpus_per_node=8 | 6 us");
  EXPECT_EQ(
      only_row("gpu,engine,engine_version,implementation,dtype,num_gpus,message_bytes,latency_us\n"
               "h100_sxm,vllm,0.24.0,custom,bfloat16,2,512,6\n"),
      "collective h100-sxm vllm-0.24.0 bf16 - all_reduce/custom | message_bytes=512 num_gpus=2 gpus_per_node=2 | 6 us");
  EXPECT_EQ(only_row("topology,collective,num_workers,devices_per_node,message_bytes,latency_us\n"
                     "a100_dgx,send_recv,2,1,2048,43\n"),
            "collective a100-80gb-sxm vidur fp16 - send_recv | message_bytes=2048 num_gpus=2 gpus_per_node=1 | 43 us");
}

TEST(TidyTables, OfAllReduceSweepsKnowTheirNodes) {
  const std::string header =
      "gpu,nodes,num_gpus,method,message_bytes,latency_us,algbw_GBps,busbw_GBps,latency_is_derived_from_busbw\n";
  EXPECT_EQ(only_row(header + "a100_sxm,1,8,nccl-tests all_reduce_perf,32768,43.83,0.75,1.31,False\n"),
            "collective a100-80gb-sxm nccl fp32 - all_reduce | message_bytes=32768 num_gpus=8 gpus_per_node=8 | "
            "43.83 us");
  EXPECT_EQ(only_row(header + "b200_sxm,4,32,torch all_reduce_bench.py,32768,50,,1.31,True\n"),
            "collective b200 nccl fp32 - all_reduce/torch | message_bytes=32768 num_gpus=32 gpus_per_node=8 | 50 us");
  EXPECT_EQ(only_row(header + "h200_sxm,1,4,nccl-tests 8GiB NVLS disabled (ring),32768,50,,1.31,True\n"),
            "collective h200 nccl fp32 - all_reduce/ring | message_bytes=32768 num_gpus=4 gpus_per_node=4 | 50 us");
}

TEST(TidyTables, OfBusBandwidthsGiveTimes) {
  const std::string header = "gpu,num_gpus,message_bytes,collective,algorithm,busbw_GBps\n";
  // 8 ranks send 2 x 7/8 of 8 MB in an all-reduce and 7/8 in a gather: 14 MB and 7 MB at 350 GB/s.
  EXPECT_EQ(only_row(header + "h200_sxm,8,8000000,all_reduce,NVLS,350\n"),
            "collective h200 nccl fp32 - all_reduce | message_bytes=8000000 num_gpus=8 gpus_per_node=8 | 40 us");
  EXPECT_EQ(only_row(header + "h200_sxm,8,8000000,all_reduce,Ring (NVLS disabled),350\n"),
            "collective h200 nccl fp32 - all_reduce/ring | message_bytes=8000000 num_gpus=8 gpus_per_node=8 | 40 us");
  EXPECT_EQ(only_row(header + "h200_sxm,8,8000000,all_gather,Ring,350\n"),
            "collective h200 nccl fp32 - all_gather | message_bytes=8000000 num_gpus=8 gpus_per_node=8 | 20 us");
}

TEST(TidyTables, OfDeepepGiveTwoRowsEach) {
  const ReadResult normal = read_text(
      "gpu,collected_with,node_num,hidden,topk,num_experts,tokens_per_rank,dispatch_sms,dispatch_us,"
      "dispatch_notify_us,combine_sms,combine_us,combine_notify_us\n"
      "gb200,sglang 0.5.12,2,7168,8,256,64,20,30,5,24,40,3\n");
  ASSERT_EQ(normal.measurements.rows.size(), 2u);
  // Both ranks of four GPUs; transmission and notification together.
  EXPECT_EQ(row_text(normal.measurements, 0),
            "expert_exchange gb200 deepep-sglang-0.5.12 fp8 - normal_dispatch | hidden=7168 topk=8 num_experts=256 "
            "num_gpus=8 num_nodes=2 num_sms=20 tokens_per_rank=64 | 35 us");
  EXPECT_EQ(row_text(normal.measurements, 1),
            "expert_exchange gb200 deepep-sglang-0.5.12 bf16 - normal_combine | hidden=7168 topk=8 num_experts=256 "
            "num_gpus=8 num_nodes=2 num_sms=24 tokens_per_rank=64 | 43 us");
  const ReadResult low = read_text(
      "gpu,collected_with,node_num,hidden,topk,num_experts,tokens_per_rank,dispatch_us,dispatch_bw_GBps,combine_us,"
      "combine_bw_GBps\nh100_sxm,sglang 0.5.12,1,7168,8,256,64,16,1,12,2\n");
  EXPECT_EQ(row_text(low.measurements, 1),
            "expert_exchange h100-sxm deepep-sglang-0.5.12 bf16 - low_latency_combine | hidden=7168 topk=8 "
            "num_experts=256 num_gpus=8 num_nodes=1 num_sms=0 tokens_per_rank=64 | 12 us");
  EXPECT_EQ(only_row("gpu,op,implementation,dtype,hidden,topk,num_experts,ep_size,tokens,distribution,run,latency_us\n"
                     "gb200,alltoall_dispatch,OneSided,nvfp4,7168,8,256,16,32,balanced,0,11\n"),
            "expert_exchange gb200 trtllm nvfp4 - alltoall_dispatch/OneSided | hidden=7168 topk=8 num_experts=256 "
            "num_gpus=16 num_nodes=1 num_sms=0 tokens_per_rank=32 | 11 us");
}

TEST(TidyTables, WithABadHalfOfARowGiveNeitherHalf) {
  const std::string header =
      "gpu,collected_with,node_num,hidden,topk,num_experts,tokens_per_rank,dispatch_us,combine_us\n";
  const ReadResult read =
      read_text(header + "h100_sxm,s 1,1,64,8,256,64,16,x\nh100_sxm,s 1,1,64,8,256,64,16,12\n", "a.csv", 0.5);
  EXPECT_EQ(read.measurements.rows.size(), 2u);
  EXPECT_EQ(read.skipped.at(0).rows, 1u);
}

TEST(TidyTables, OfPlainPytorchKeepSingleProducts) {
  const ReadResult read = read_text("gpu,op,b,m,n,k,latency_us\nt4,bmm,12,3,5,7,2\nt4,linear,1,3,5,7,2\n");
  ASSERT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(row_text(read.measurements, 0), "gemm t4 pytorch-fp32 fp32 - linear | n=5 k=7 m=3 | 2 us");
  EXPECT_EQ(read.skipped.at(0).rows, 1u);
}

TEST(TidyTables, OfRatesBecomeTimes) {
  // 2 * 100 * 2000 * 5000 flop at 200 Tflop/s take 10 us.
  EXPECT_EQ(
      only_row(
          "gpu,dtype,layout,num_groups,m_per_group,n,k,tflops,memory_GBps\nh800_sxm,x,dense,1,100,2000,5000,200,9\n"),
      "gemm h800 deepgemm fp8-block - - | n=2000 k=5000 m=100 | 10 us");
}

TEST(LayerTables, SideBySideBecomeProductsAndElementwiseWork) {
  const ReadResult read = read_text(
      "gpu,model,tp,num_tokens,n_head,n_kv_head,n_embd,n_expanded_embd,vocab_size,use_gated_mlp,emb_us,"
      "input_layernorm_us,attn_pre_proj_us,attn_rope_us,attn_post_proj_us,post_attention_layernorm_us,mlp_up_proj_us,"
      "mlp_act_us,mlp_down_proj_us,add_us\na40,m,2,16,8,2,1024,4096,32000,True,1,2,3,4,5,6,7,8,9,\n");
  std::string all;
  for (std::size_t i = 0; i < read.measurements.rows.size(); ++i) {
    all += row_text(read.measurements, i) + "\n";
  }
  // Heads of 1024 / 8 = 128 values; of two GPUs each has 4 query heads and 1 of keys and values, and 2048 of 4096.
  EXPECT_EQ(all,
            "elementwise a40 vidur fp16 - embedding | width=1024 num_tokens=16 | 1 us\n"
            "elementwise a40 vidur fp16 - norm | width=1024 num_tokens=16 | 2 us\n"
            "gemm a40 vidur fp16 - attn_pre_proj | n=768 k=1024 m=16 | 3 us\n"
            "elementwise a40 vidur fp16 - rotary | width=640 num_tokens=16 | 4 us\n"
            "gemm a40 vidur fp16 - attn_post_proj | n=1024 k=512 m=16 | 5 us\n"
            "elementwise a40 vidur fp16 - norm | width=1024 num_tokens=16 | 6 us\n"
            "gemm a40 vidur fp16 - mlp_up_proj | n=4096 k=1024 m=16 | 7 us\n"
            "elementwise a40 vidur fp16 - activation | width=2048 num_tokens=16 | 8 us\n"
            "gemm a40 vidur fp16 - mlp_down_proj | n=1024 k=2048 m=16 | 9 us\n");
}

TEST(LayerTables, ByModelNameUseItsDimensions) {
  const ReadResult read = read_text(
      "gpu,model,tp,layer,tokens,time_us\nrtx4090,Llama-3.1-8B,2,gate_up_proj,16,3\nrtx4090,Llama-3.1-8B,1,secret,16,"
      "3\n"
      "rtx4090,Unknown-9B,1,act_fn,16,3\n");
  ASSERT_EQ(read.measurements.rows.size(), 1u);
  EXPECT_EQ(row_text(read.measurements, 0),
            "gemm rtx-4090 vllm-0.19-layers bf16 - gate_up_proj | n=14336 k=4096 m=16 | 3 us");
  EXPECT_EQ(read.skipped.at(0).rows, 2u);
}

// Agreement: the dimensions written down are those of the networks in the catalog.
TEST(LayerTables, KnowTheDimensionsOfTheCatalog) {
  const std::pair<const char*, const char*> models[] = {{"Llama-3.1-8B", "meta-llama/Llama-3.1-8B"},
                                                        {"Llama-3.1-70B", "meta-llama/Llama-3.1-70B"},
                                                        {"Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B"},
                                                        {"Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-v0.1"}};
  for (const auto& [name, catalog] : models) {
    const LayerDimensions* known = layer_dimensions(name);
    ASSERT_NE(known, nullptr) << name;
    const Config config = Config::load(find_in_catalog("models", "model", catalog).file);
    const auto figure = [&](const char* key) { return static_cast<double>(config.at(key).integer()); };
    EXPECT_EQ(known->hidden, figure("hidden_size"));
    EXPECT_EQ(known->heads, figure("num_attention_heads"));
    EXPECT_EQ(known->kv_heads, figure("num_key_value_heads"));
    EXPECT_EQ(known->vocabulary, figure("vocab_size"));
    EXPECT_EQ(known->head_dim, config.has("head_dim") ? figure("head_dim") : known->hidden / known->heads);
    if (known->inter > 0) {
      EXPECT_EQ(known->inter, figure("intermediate_size"));
    }
  }
  EXPECT_EQ(layer_dimensions("GPT-5"), nullptr);
}

}  // namespace
}  // namespace moesaic
