// Private to the launches: one function per work, each defined in the .cu of its family.
#pragma once

#include "kernels/cuda/runtime.hpp"

namespace moesaic::cuda {

Status launch_work(const EmptyWork& work, StreamHandle stream);
Status launch_work(const StreamWork& work, StreamHandle stream);
Status launch_work(const ChaseWork& work, StreamHandle stream);
Status launch_work(const TensorIssueWork& work, StreamHandle stream);
Status launch_work(const FmaIssueWork& work, StreamHandle stream);
Status launch_work(const GemvWork& work, StreamHandle stream);
Status launch_work(const RouteWork& work, StreamHandle stream);
Status launch_work(const PermuteWork& work, StreamHandle stream);
Status launch_work(const GroupedGemmWork& work, StreamHandle stream);
Status launch_work(const UnpermuteWork& work, StreamHandle stream);
Status launch_work(const DecodeAttentionWork& work, StreamHandle stream);
Status launch_work(const MlaDecodeWork& work, StreamHandle stream);
Status launch_work(const PrefillAttentionWork& work, StreamHandle stream);
Status launch_work(const LinearAttentionWork& work, StreamHandle stream);
Status launch_work(const RmsNormWork& work, StreamHandle stream);
Status launch_work(const SiluMulWork& work, StreamHandle stream);
Status launch_work(const RotaryWork& work, StreamHandle stream);
Status launch_work(const QuantizeWork& work, StreamHandle stream);

}  // namespace moesaic::cuda
