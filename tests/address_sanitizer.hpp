// MOESAIC_ADDRESS_SANITIZER is defined where AddressSanitizer is on: GCC and clang say it in different ways.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define MOESAIC_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOESAIC_ADDRESS_SANITIZER
#endif
#endif
