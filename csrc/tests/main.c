/* Runs all tests; exit status 1 when one failed. */
#include "harness.h"

int main(void) {
    test_json();
    test_jgf();
    test_jgf_errors();
    test_tables();
    test_planner();
    test_memory();
    test_large();
    test_match();
    test_plan();
    test_match_order();
    printf("%d checks, %d failed\n", harness_checks, harness_failures);
    return harness_failures != 0;
}
